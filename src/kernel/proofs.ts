import { type Endpoint, endpointKey } from '../core/endpoint.ts';
import type { Slots } from '../core/slots.ts';
import type { Proof } from './plan.ts';

export interface ProofsOptions {
  /**
   * Connects to an endpoint from the caller's own namespace, and closes the connection.
   * @returns undefined where it was accepted, else the error's code; never rejects
   */
  readonly connect: (endpoint: Endpoint, signal: AbortSignal) => Promise<string | undefined>;
  /** How many are under way at once, of all callers. */
  readonly slots: Slots;
  /** Told when what is known of an endpoint has changed. */
  readonly onChange: () => void;
}

interface Entry {
  readonly endpoint: Endpoint;
  proof: Proof;
  isUnderWay: boolean;
}

const pending: Proof = { kind: 'pending' };

/**
 * What a caller itself reaches. The ambassador's own connections do not tell: a container may stand in a network that the
 * backend is not in, and then only the proxy can lead it there.
 */
export class Proofs {
  readonly #options: ProofsOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #end = new AbortController();

  constructor(options: ProofsOptions) {
    this.#options = options;
  }

  /** What is known; an endpoint that nothing is known of is tried now. */
  of(endpoint: Endpoint): Proof {
    const key = endpointKey(endpoint);
    const known = this.#entries.get(key);
    if (known !== undefined) return known.proof;
    const entry: Entry = { endpoint, proof: pending, isUnderWay: false };
    this.#entries.set(key, entry);
    void this.#try(key, entry);
    return pending;
  }

  /** Forgets all but these: what is asked for again is tried again. @param keys as of `endpointKey` */
  keep(keys: ReadonlySet<string>): void {
    for (const key of this.#entries.keys()) {
      if (!keys.has(key)) this.#entries.delete(key);
    }
  }

  /** Tries all of them once more; what is known stays until then. @returns how many */
  again(): number {
    for (const [key, entry] of this.#entries) void this.#try(key, entry);
    return this.#entries.size;
  }

  /** No connection is left open, and `onChange` is not called any more. */
  stop(): void {
    this.#end.abort();
    this.#entries.clear();
  }

  async #try(key: string, entry: Entry): Promise<void> {
    if (entry.isUnderWay) return;
    entry.isUnderWay = true;
    const { signal } = this.#end;
    if (!(await this.#options.slots.acquire(signal))) return;
    let code: string | undefined;
    try {
      code = await this.#options.connect(entry.endpoint, signal);
    } finally {
      this.#options.slots.release();
      entry.isUnderWay = false;
    }
    if (signal.aborted || this.#entries.get(key) !== entry) return;
    const before = JSON.stringify(entry.proof);
    entry.proof = code === undefined ? { kind: 'proved' } : { kind: 'failed', code };
    if (JSON.stringify(entry.proof) !== before) this.#options.onChange();
  }
}
