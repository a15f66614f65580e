/**
 * What a registry has forgotten. A server that comes back without its data, or that has been away for longer than its
 * leases, has keys again as soon as their writers have noticed: until then those are taken for being there. A key that is
 * seen again is the registry's own from then on, and its removal counts at once.
 */
export class LostKeys {
  readonly #graceMs: number;
  readonly #onOver: (root: string) => void;
  readonly #lost = new Map<string, { readonly keys: Map<string, string>; readonly timer: NodeJS.Timeout }>();

  /**
   * @param graceMs how long they are taken for being there
   * @param onOver  told when a root's are not any more
   */
  constructor(graceMs: number, onOver: (root: string) => void) {
    this.#graceMs = graceMs;
    this.#onOver = onOver;
  }

  /**
   * Completes what is known of a root.
   *
   * @param before what was known of it before; undefined = nothing, and nothing can have been lost
   * @param isReading the root was read anew; else one of its changes has come
   */
  complete(
    root: string,
    values: ReadonlyMap<string, string>,
    before: ReadonlyMap<string, string> | undefined,
    isReading: boolean,
  ): ReadonlyMap<string, string> {
    if (isReading && before !== undefined) this.#lose(root, values, before);
    const lost = this.#lost.get(root);
    if (lost === undefined) return values;
    for (const key of values.keys()) lost.keys.delete(key);
    return new Map([...lost.keys, ...values]);
  }

  stop(): void {
    for (const { timer } of this.#lost.values()) clearTimeout(timer);
    this.#lost.clear();
  }

  #lose(root: string, values: ReadonlyMap<string, string>, before: ReadonlyMap<string, string>): void {
    const keys = new Map([...before].filter(([key]) => !values.has(key)));
    clearTimeout(this.#lost.get(root)?.timer);
    this.#lost.delete(root);
    if (keys.size === 0) return;
    const timer = setTimeout(() => {
      this.#lost.delete(root);
      this.#onOver(root);
    }, this.#graceMs);
    this.#lost.set(root, { keys, timer });
  }
}
