/** Waiting for the last of something to end, for a bounded time. */
export class Idleness {
  #onIdle: (() => void) | undefined;

  /** Waits until `reached` is called, or until the time is over; not at all where it is idle already. */
  within(ms: number, isIdle: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(done, ms);
      // A second wait (the operator has lost patience) must not leave the first one waiting.
      const earlier = this.#onIdle;
      function done(): void {
        clearTimeout(timer);
        earlier?.();
        resolve();
      }
      this.#onIdle = done;
      if (isIdle()) done();
    });
  }

  /** The last one has ended. */
  reached(): void {
    this.#onIdle?.();
  }
}
