import { ok } from '../../core/result.ts';
import type { Listed, Listing, OnListing } from './directory.ts';

/** What vanishes must stay away for so long, ms: as long as a set that becomes empty does (settled.ts). */
const goneMs = 1000;

/**
 * A listing in which nothing comes and goes for a moment: what is new is told at once, what has gone a second later,
 * unless it is back by then.
 */
export class SettledListing {
  readonly #onListing: OnListing;
  #told: ReadonlyMap<string, Listed> = new Map();
  #last: Listing | undefined;
  readonly #going = new Map<string, NodeJS.Timeout>();

  /** @param signal ends every timer */
  constructor(onListing: OnListing, signal: AbortSignal) {
    this.#onListing = onListing;
    signal.addEventListener('abort', () => this.#stop(), { once: true });
  }

  readonly take: OnListing = (update) => {
    if (!update.ok) {
      this.#onListing(update);
      return;
    }
    this.#last = update.value;
    const { listed } = update.value;
    for (const [key, timer] of this.#going) {
      if (!listed.has(key)) continue;
      clearTimeout(timer);
      this.#going.delete(key);
    }
    for (const key of this.#told.keys()) {
      if (listed.has(key) || this.#going.has(key)) continue;
      this.#going.set(
        key,
        setTimeout(() => {
          this.#going.delete(key);
          this.#tell();
        }, goneMs),
      );
    }
    this.#tell();
  };

  #tell(): void {
    if (this.#last === undefined) return;
    const { listed, skipped } = this.#last;
    const kept = [...this.#going.keys()].flatMap((key) => {
      const item = this.#told.get(key);
      return item === undefined ? [] : [[key, item] as const];
    });
    this.#told = new Map([...listed, ...kept]);
    this.#onListing(ok({ listed: this.#told, skipped }));
  }

  #stop(): void {
    for (const timer of this.#going.values()) clearTimeout(timer);
    this.#going.clear();
  }
}
