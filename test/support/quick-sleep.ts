import { sleep } from '../../src/core/backoff.ts';

/**
 * Real time that passes faster, and tells when somebody begins to wait: for what depends on events from outside, which
 * `FakeSleep` cannot hold back.
 *
 *     const time = new QuickSleep(20);
 *     await time.begun(2000, 2);   // whoever sleeps 2 s between two looks has looked once from now on
 */
export class QuickSleep {
  readonly #factor: number;
  readonly #begun = new Set<(ms: number) => void>();

  constructor(factor: number) {
    this.#factor = factor;
  }

  readonly sleep = (ms: number, signal: AbortSignal): Promise<void> => {
    for (const begun of [...this.#begun]) begun(ms);
    return sleep(ms / this.#factor, signal);
  };

  /** Resolves when so many waits of that length have begun from now on. */
  begun(length: number, times = 1): Promise<void> {
    return new Promise((resolve) => {
      let left = times;
      const begun = (ms: number) => {
        if (ms !== length || --left > 0) return;
        this.#begun.delete(begun);
        resolve();
      };
      this.#begun.add(begun);
    });
  }
}
