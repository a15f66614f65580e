/** One wait that is under way. */
export interface Wait {
  readonly ms: number;
  /** Lets the time pass. */
  wake(): void;
}

/**
 * Time in the hands of a test: what sleeps goes on when the test says so.
 *
 *     const time = new FakeSleep();
 *     new StaticResolver({ addresses, logger, sleep: time.sleep });
 *     (await time.wait(60_000)).wake();
 */
export class FakeSleep {
  readonly #waiting = new Set<Wait>();
  readonly #wanted = new Map<(wait: Wait) => boolean, (wait: Wait) => void>();

  get pending(): readonly number[] {
    return [...this.#waiting].map(({ ms }) => ms);
  }

  get waits(): readonly Wait[] {
    return [...this.#waiting];
  }

  readonly sleep = (ms: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const wake = () => {
        this.#waiting.delete(wait);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      const wait: Wait = { ms, wake };
      this.#waiting.add(wait);
      signal.addEventListener('abort', wake, { once: true });
      for (const [fits, found] of this.#wanted) if (fits(wait)) found(wait);
    });

  /** Lets the time pass for all that sleep now. */
  wakeAll(): void {
    for (const wait of [...this.#waiting]) wait.wake();
  }

  /** The wait of that length (a number, or bounds where it has jitter) that is under way, or else the next one. */
  wait(wanted: number | readonly [min: number, max: number]): Promise<Wait> {
    const [min, max] = typeof wanted === 'number' ? [wanted, wanted] : wanted;
    const fits = ({ ms }: Wait) => ms >= min && ms <= max;
    const present = [...this.#waiting].find(fits);
    if (present !== undefined) return Promise.resolve(present);
    return new Promise((resolve) => {
      this.#wanted.set(fits, (wait) => {
        this.#wanted.delete(fits);
        resolve(wait);
      });
    });
  }
}
