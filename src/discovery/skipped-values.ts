import type { Logger } from '../core/log.ts';
import type { SkippedValue } from './values.ts';

/** How many of one place's values are told one by one; the others in one line together. */
const maxTold = 50;
/** How many told values are remembered over all places; the one not seen for the longest is forgotten first. */
const maxRemembered = 5000;

/**
 * Tells the operator of stored values that cannot be read: each once, however often it is read again, and also where it
 * vanishes and comes back the same.
 *
 *     skipped.report('etcd://10.0.0.2:2379/services/web', read.skipped);
 *     skipped.report('etcd://10.0.0.2:2379/services/web', []); // nobody follows it any more
 */
export class SkippedValues {
  readonly #logger: Logger;
  readonly #told = new Map<string, true>();
  readonly #counts = new Map<string, number>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** How many values are left out now, over all places. */
  get count(): number {
    let sum = 0;
    for (const count of this.#counts.values()) sum += count;
    return sum;
  }

  /**
   * @param where   the source in the spelling of a descriptor
   * @param skipped all that is left out there now; none where all is well or nobody follows the place any more
   */
  report(where: string, skipped: readonly SkippedValue[]): void {
    if (skipped.length === 0) this.#counts.delete(where);
    else this.#counts.set(where, skipped.length);
    for (const { key, reason } of skipped.slice(0, maxTold)) {
      this.#tell(where, key === '' ? 'its value' : JSON.stringify(key.slice(0, 200)), reason);
    }
    if (skipped.length > maxTold) this.#tell(where, 'more values than these', 'they cannot be read either');
    for (const oldest of this.#told.keys()) {
      if (this.#told.size <= maxRemembered) break;
      this.#told.delete(oldest);
    }
  }

  #tell(where: string, what: string, reason: string): void {
    const line = `${where}: ${what} skipped: ${reason}`;
    // The last seen stands last.
    const isNew = !this.#told.delete(line);
    this.#told.set(line, true);
    if (isNew) this.#logger.warn(line, { backend: where, code: 'ERR_RESOLVE_FAILED' });
  }
}
