import type { SocketAddress } from '../core/address.ts';
import { endpointKey } from '../core/endpoint.ts';
import { Slots } from '../core/slots.ts';

/**
 * Opens a connection and closes it.
 * @returns undefined where it was accepted, else the error's code; never rejects
 */
export type ConnectOnce = (
  address: SocketAddress,
  timeoutMs: number,
  signal: AbortSignal,
) => Promise<string | undefined>;

/**
 * Asks an endpoint by HTTP whether it serves a host.
 * @returns undefined where it does, else the error's code or "HTTP_503"; never rejects
 */
export type AskOnce = (
  address: SocketAddress,
  host: string,
  timeoutMs: number,
  signal: AbortSignal,
) => Promise<string | undefined>;

export interface ChecksOptions {
  readonly connect: ConnectOnce;
  readonly ask: AskOnce;
  /** @param code undefined for a success */
  readonly onResult: (address: SocketAddress, host: string | undefined, code: string | undefined) => void;
}

/** What tells the states of endpoints apart: the address, and the host that it is asked for by HTTP. */
export function healthKey(address: SocketAddress, host?: string): string {
  return host === undefined ? endpointKey(address) : `${endpointKey(address)} ${host}`;
}

interface Check {
  readonly address: SocketAddress;
  readonly host: string | undefined;
  /** Time between checks that each backend asks for, ms; the shortest counts. */
  readonly owners: Map<string, number>;
  readonly end: AbortController;
  timer: NodeJS.Timeout | undefined;
}

/** Longest time that one check may take, ms. */
const maxCheckMs = 2000;

/** Checks under way at once: a thousand applications must not be a thousand connections in one moment. */
const maxAtOnce = 64;

/** Active checks: one for each address and host, however many backends ask for it. */
export class Checks {
  readonly #options: ChecksOptions;
  readonly #slots = new Slots(maxAtOnce);
  readonly #checks = new Map<string, Check>();

  constructor(options: ChecksOptions) {
    this.#options = options;
  }

  has(key: string): boolean {
    return this.#checks.has(key);
  }

  /**
   * @param host absent: a connection that is accepted is enough
   * @returns    the keys of what is not checked any more
   */
  set(
    owner: string,
    addresses: readonly SocketAddress[],
    everyMs: number,
    host: string | undefined,
  ): readonly string[] {
    const wanted = new Map(addresses.map((address) => [healthKey(address, host), address]));
    for (const [key, address] of wanted) {
      const check = this.#checks.get(key) ?? this.#begin(key, address, host);
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

  #begin(key: string, address: SocketAddress, host: string | undefined): Check {
    const check: Check = { address, host, owners: new Map(), end: new AbortController(), timer: undefined };
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
    const { address, host, end } = check;
    if (!(await this.#slots.acquire(end.signal))) return;
    const limitMs = Math.min(everyMs, maxCheckMs);
    const { connect, ask, onResult } = this.#options;
    const code = await (host === undefined
      ? connect(address, limitMs, end.signal)
      : ask(address, host, limitMs, end.signal)
    ).finally(() => this.#slots.release());
    if (end.signal.aborted) return;
    onResult(address, host, code);
    // Spread by a tenth, so that the checks of a set do not come in one burst for ever.
    const pauseMs = everyMs * (0.95 + 0.1 * Math.random());
    check.timer = setTimeout(() => void this.#run(check), pauseMs);
  }
}
