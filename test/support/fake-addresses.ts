import { AppError } from '../../src/core/errors.ts';
import type { AddressLookup, HostLookup } from '../../src/discovery/dns/addresses.ts';

/**
 * Host names in the hands of a test: addresses by name, `failed`, or `silent` (no answer until `answer`). A name that is
 * not there does not exist. What was known of a name is asked for again after `askAgainMs`.
 */
export class FakeAddresses implements AddressLookup {
  readonly table: Record<string, readonly string[] | 'failed' | 'silent'>;
  readonly asked: string[] = [];
  readonly askAgainMs: number;
  readonly #waiting = new Map<string, (found: HostLookup) => void>();

  constructor(table: Record<string, readonly string[] | 'failed' | 'silent'>, askAgainMs = 60_000) {
    this.table = table;
    this.askAgainMs = askAgainMs;
  }

  async lookup(host: string, signal: AbortSignal): Promise<HostLookup> {
    this.asked.push(host);
    if (this.table[host] !== 'silent') return this.#found(host);
    return new Promise((resolve) => {
      this.#waiting.set(host, resolve);
      signal.addEventListener('abort', () => resolve({ kind: 'none', askAgainMs: 1 }), { once: true });
    });
  }

  /** Lets a name that was silent answer. */
  answer(host: string, addresses: readonly string[] | 'failed'): void {
    this.table[host] = addresses;
    this.#waiting.get(host)?.(this.#found(host));
  }

  #found(host: string): HostLookup {
    const entry = this.table[host];
    if (entry === undefined) return { kind: 'none', askAgainMs: this.askAgainMs };
    if (typeof entry === 'string') {
      return { kind: 'failed', error: new AppError('ERR_RESOLVE_FAILED', `cannot resolve "${host}"`) };
    }
    return { kind: 'addresses', addresses: entry, askAgainMs: this.askAgainMs };
  }
}
