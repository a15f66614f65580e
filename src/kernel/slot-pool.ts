/**
 * Slots of a map that are free. One that is given back rests before it is given out again: a program that looked a route up a
 * moment ago may still be reading it.
 */
export class SlotPool {
  readonly #size: number;
  readonly #restMs: number;
  readonly #now: () => number;
  /** In the order in which they came back. */
  readonly #resting: { readonly index: number; readonly since: number }[] = [];
  #firstUnused = 0;

  /** @param restMs programs run for microseconds; a second is beyond all doubt */
  constructor(size: number, restMs = 1000, now: () => number = () => performance.now()) {
    this.#size = size;
    this.#restMs = restMs;
    this.#now = now;
  }

  /** @returns undefined where none is free */
  take(): number | undefined {
    const [oldest] = this.#resting;
    if (oldest !== undefined && this.#now() - oldest.since >= this.#restMs)
      return this.#resting.shift()?.index;
    return this.#firstUnused < this.#size ? this.#firstUnused++ : undefined;
  }

  release(index: number): void {
    this.#resting.push({ index, since: this.#now() });
  }
}
