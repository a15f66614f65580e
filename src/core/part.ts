/**
 * A long-lived piece of the ambassador. Parts are started in layer order and stopped in reverse.
 * `stop` may be called twice, and before `start`; after it no timer, socket, watch or rule of the part is left.
 */
export interface Part {
  /** @throws AppError where the part cannot do its work; what it had begun by then is undone. */
  start(): Promise<void>;
  /** @param deadlineMs how long what is under way may still take; then it is cut off */
  stop(deadlineMs: number): Promise<void>;
}

/** Parts that have been started, to be stopped in reverse. */
export class PartStack {
  readonly #stops: ((deadlineMs: number) => Promise<void> | void)[] = [];

  /**
   * Starts a part and keeps it.
   * @throws what the part's `start` throws; the parts before it are the caller's to stop
   */
  async begin<P extends Part>(part: P): Promise<P> {
    await part.start();
    this.#stops.push((deadlineMs) => part.stop(deadlineMs));
    return part;
  }

  /** Keeps what ends something that is no part, or ends a part before its turn. It may be called more than once. */
  defer(stop: Part['stop'] | (() => void)): void {
    this.#stops.push(stop);
  }

  /**
   * Stops everything, the last first. May be called again meanwhile with a shorter deadline, to stop sooner.
   *
   * @throws the first failure, after everything has been stopped
   */
  async stop(deadlineMs: number): Promise<void> {
    const failures: unknown[] = [];
    for (const stop of this.#stops.toReversed()) {
      try {
        await stop(deadlineMs);
      } catch (thrown) {
        failures.push(thrown);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
