/** A connection that waits; the field says for what, and belongs to `Waiting`. */
export interface Waiter {
  waitsFor: string | undefined;
  wake(): void;
}

/** Connections that wait for a caller to become known or for a backend's first answer, by what they wait for. */
export class Waiting {
  readonly #askForCaller: (ip: string) => void;
  readonly #waiters = new Map<string, Set<Waiter>>();

  /** @param askForCaller has the address looked up; `callerAnswered` is called some time later */
  constructor(askForCaller: (ip: string) => void) {
    this.#askForCaller = askForCaller;
  }

  forCaller(waiter: Waiter, ip: string): void {
    // One question an address is enough, however many wait for its answer.
    if (this.#add(waiter, `caller ${ip}`)) this.#askForCaller(ip);
  }

  forBackend(waiter: Waiter, key: string): void {
    this.#add(waiter, `backend ${key}`);
  }

  callerAnswered(ip: string): void {
    this.#wake(`caller ${ip}`);
  }

  backendAnswered(key: string): void {
    if (this.#waiters.size > 0) this.#wake(`backend ${key}`);
  }

  /** Nothing happens where it waits for nothing. */
  remove(waiter: Waiter): void {
    const what = waiter.waitsFor;
    if (what === undefined) return;
    waiter.waitsFor = undefined;
    const others = this.#waiters.get(what);
    others?.delete(waiter);
    if (others?.size === 0) this.#waiters.delete(what);
  }

  /** @returns whether it is the first to wait for this */
  #add(waiter: Waiter, what: string): boolean {
    waiter.waitsFor = what;
    const others = this.#waiters.get(what);
    if (others === undefined) this.#waiters.set(what, new Set([waiter]));
    else others.add(waiter);
    return others === undefined;
  }

  #wake(what: string): void {
    for (const waiter of [...(this.#waiters.get(what) ?? [])]) waiter.wake();
  }
}
