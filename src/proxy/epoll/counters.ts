import type { ProxyCounters } from '../data-plane.ts';

/** For each thread: open connections, served, refused, log lines that the main thread has taken. */
const perThread = 4;

/** @param threads how many workers there are */
export function makeCounterMemory(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer((threads + 1) * perThread * Float64Array.BYTES_PER_ELEMENT);
}

/**
 * Counters of one front, in memory that all threads share. Each number has one writer; a reader may see it a moment late,
 * and an aligned number of 64 bits never half written.
 */
export class Counters {
  readonly #numbers: Float64Array;
  readonly #at: number;

  /** @param thread the worker whose numbers this object writes */
  constructor(memory: SharedArrayBuffer, thread: number) {
    this.#numbers = new Float64Array(memory);
    this.#at = thread * perThread;
  }

  #get(index: number): number {
    return this.#numbers[this.#at + index] ?? 0;
  }

  #add(index: number, by: number): void {
    this.#numbers[this.#at + index] = this.#get(index) + by;
  }

  /** Open connections of this thread. */
  get active(): number {
    return this.#get(0);
  }

  opened(): void {
    this.#add(0, 1);
  }

  closed(isServed: boolean): void {
    this.#add(0, -1);
    this.#add(isServed ? 1 : 2, 1);
  }

  refused(): void {
    this.#add(2, 1);
  }

  /** Lines of this thread that the main thread has taken; the main thread writes it. */
  get linesTaken(): number {
    return this.#get(3);
  }

  tookLines(count: number): void {
    this.#add(3, count);
  }

  /** The thread has died: its connections are gone and count as refused by nobody. */
  died(): void {
    this.#numbers[this.#at] = 0;
    this.#numbers[this.#at + 3] = 0;
  }

  /** Of all threads. */
  total(): ProxyCounters {
    const sum = (index: number) => {
      let total = 0;
      for (let at = index; at < this.#numbers.length; at += perThread) total += this.#numbers[at] ?? 0;
      return total;
    };
    return { active: sum(0), served: sum(1), refused: sum(2) };
  }

  /** Open connections of all threads. */
  get allActive(): number {
    let total = 0;
    for (let at = 0; at < this.#numbers.length; at += perThread) total += this.#numbers[at] ?? 0;
    return total;
  }
}
