/**
 * What a registry has forgotten. A server that comes back without its data, or that has been away for longer than its
 * leases, has keys again as soon as their writers have noticed: until then those are taken for being there. A key that is
 * written or removed is the registry's own from then on.
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
   * A root was read anew.
   *
   * @param before what was known of it before; undefined = nothing, and nothing can have been lost
   */
  onRead(
    root: string,
    values: ReadonlyMap<string, string>,
    before: ReadonlyMap<string, string> | undefined,
  ): void {
    const keys = new Map([...(before ?? [])].filter(([key]) => !values.has(key)));
    clearTimeout(this.#lost.get(root)?.timer);
    this.#lost.delete(root);
    if (keys.size === 0) return;
    const timer = setTimeout(() => {
      this.#lost.delete(root);
      this.#onOver(root);
    }, this.#graceMs);
    this.#lost.set(root, { keys, timer });
  }

  /** Keys of a root were written or removed, or one after the other so quickly that nothing else shows it. */
  onChanged(root: string, changed: Iterable<string>): void {
    const lost = this.#lost.get(root);
    for (const key of changed) lost?.keys.delete(key);
  }

  /** What a root has, and what it has lost. */
  complete(root: string, values: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
    const lost = this.#lost.get(root);
    return lost === undefined ? values : new Map([...lost.keys, ...values]);
  }

  stop(): void {
    for (const { timer } of this.#lost.values()) clearTimeout(timer);
    this.#lost.clear();
  }
}
