/** How long each endpoint has been in its state, for whoever looks on. */
export class EndpointTimes {
  readonly #times = new Map<string, { isUp: boolean; since: number }>();
  readonly #now: () => number;

  /** @param now ms since 1970 */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** @returns since when it has been so, ms since 1970; as far as it has been looked at */
  since(key: string, isUp: boolean): number {
    const known = this.#times.get(key);
    if (known !== undefined && known.isUp === isUp) return known.since;
    const since = this.#now();
    this.#times.set(key, { isUp, since });
    return since;
  }

  /** Forgets all others. */
  keep(keys: ReadonlySet<string>): void {
    for (const key of this.#times.keys()) if (!keys.has(key)) this.#times.delete(key);
  }
}
