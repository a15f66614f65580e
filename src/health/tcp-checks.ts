import type { SocketAddress } from '../core/address.ts';
import { endpointKey } from '../core/endpoint.ts';

/**
 * Opens a connection and closes it.
 * @returns undefined where it was accepted, else the error's code; never rejects
 */
export type ConnectOnce = (
  address: SocketAddress,
  timeoutMs: number,
  signal: AbortSignal,
) => Promise<string | undefined>;

export interface TcpChecksOptions {
  readonly connect: ConnectOnce;
  /** @param code undefined for a success */
  readonly onResult: (address: SocketAddress, code: string | undefined) => void;
}

interface Check {
  readonly address: SocketAddress;
  /** Time between checks that each backend asks for, ms; the shortest counts. */
  readonly owners: Map<string, number>;
  readonly end: AbortController;
  timer: NodeJS.Timeout | undefined;
}

/** Longest time that one check may take, ms. */
const maxCheckMs = 2000;

/** Active checks: one for each address, however many backends ask for it. */
export class TcpChecks {
  readonly #options: TcpChecksOptions;
  readonly #checks = new Map<string, Check>();

  constructor(options: TcpChecksOptions) {
    this.#options = options;
  }

  has(key: string): boolean {
    return this.#checks.has(key);
  }

  /** @returns the keys of addresses that are not checked any more */
  set(owner: string, addresses: readonly SocketAddress[], everyMs: number): readonly string[] {
    const wanted = new Map(addresses.map((address) => [endpointKey(address), address]));
    for (const [key, address] of wanted) {
      const check = this.#checks.get(key) ?? this.#begin(key, address);
      check.owners.set(owner, everyMs);
    }
    const released: string[] = [];
    for (const [key, check] of this.#checks) {
      if (wanted.has(key) || !check.owners.delete(owner) || check.owners.size > 0) continue;
      this.#end(check);
      this.#checks.delete(key);
      released.push(key);
    }
    return released;
  }

  stop(): void {
    for (const check of this.#checks.values()) this.#end(check);
    this.#checks.clear();
  }

  #begin(key: string, address: SocketAddress): Check {
    const check: Check = { address, owners: new Map(), end: new AbortController(), timer: undefined };
    this.#checks.set(key, check);
    // The first one at once: a set that has just come in should be known before it is used.
    check.timer = setTimeout(() => void this.#run(check), 0);
    return check;
  }

  #end(check: Check): void {
    clearTimeout(check.timer);
    check.end.abort();
  }

  async #run(check: Check): Promise<void> {
    const everyMs = Math.min(...check.owners.values());
    const code = await this.#options.connect(check.address, Math.min(everyMs, maxCheckMs), check.end.signal);
    if (check.end.signal.aborted) return;
    this.#options.onResult(check.address, code);
    // Spread by a tenth, so that the checks of a set do not come in one burst for ever.
    const pauseMs = everyMs * (0.95 + 0.1 * Math.random());
    check.timer = setTimeout(() => void this.#run(check), pauseMs);
  }
}
