/**
 * A bound on how much is under way at once; who comes later waits in line.
 *
 *     if (await slots.acquire(signal)) try { … } finally { slots.release(); }
 */
export class Slots {
  #free: number;
  readonly #line = new Set<() => void>();

  constructor(count: number) {
    this.#free = count;
  }

  /** @returns false where the signal aborted first: then nothing is to be released */
  acquire(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    if (this.#free > 0) {
      this.#free--;
      return Promise.resolve(true);
    }
    return new Promise((resolve) => {
      const leave = (hasSlot: boolean) => {
        this.#line.delete(enter);
        signal.removeEventListener('abort', onAbort);
        resolve(hasSlot);
      };
      const enter = () => leave(true);
      const onAbort = () => leave(false);
      this.#line.add(enter);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Hands the slot to whoever has waited longest. */
  release(): void {
    const [first] = this.#line;
    if (first === undefined) this.#free++;
    else first();
  }
}
