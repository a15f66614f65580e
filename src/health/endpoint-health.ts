/**
 * Health: which endpoints are down, by what connections to them have shown.
 *
 *     const health = new EndpointHealth({ connect, logger });
 *     health.subscribe((key) => …);          // an endpoint's state has changed
 *     health.failed(endpoint, 'ECONNREFUSED'); // passive: a dial failed
 *     health.check('backend', endpoints, 5000); // active: connect every 5 s
 *     health.isDown(endpoint);
 *
 * State belongs to an address, whatever number of backends name it.
 */
import type { SocketAddress } from '../core/address.ts';
import { Backoff } from '../core/backoff.ts';
import { endpointKey } from '../core/endpoint.ts';
import type { Logger } from '../core/log.ts';
import { type ConnectOnce, TcpChecks } from './tcp-checks.ts';

export interface EndpointHealthOptions {
  readonly connect: ConnectOnce;
  readonly logger: Logger;
  /** 0 <= random() < 1 */
  readonly random?: () => number;
}

interface Record {
  readonly backoff: Backoff;
  isDown: boolean;
  /** Of the last failure. */
  code: string | undefined;
  /** Ends the ejection, or later forgets the record. */
  timer: NodeJS.Timeout | undefined;
}

/** First and longest ejection, ms. */
const ejection = { initialMs: 1000, maxMs: 60_000, factor: 2 };
/** How long the length of the last ejection is remembered after it has ended, ms. */
const memoryMs = 300_000;
/** Addresses that are remembered; beyond that, failures of new ones are not. */
const maxRecords = 10_000;

/** What this machine lacks, or a stop, says nothing about the endpoint. */
const notItsFault = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL', 'ECANCELED']);

export class EndpointHealth {
  readonly #options: EndpointHealthOptions;
  readonly #records = new Map<string, Record>();
  readonly #checks: TcpChecks;
  readonly #listeners = new Set<(key: string) => void>();

  constructor(options: EndpointHealthOptions) {
    this.#options = options;
    this.#checks = new TcpChecks({
      connect: options.connect,
      onResult: (address, code) => {
        if (code === undefined) this.succeeded(address);
        else this.failed(address, code);
      },
    });
  }

  isDown(address: SocketAddress): boolean {
    return this.#records.get(endpointKey(address))?.isDown ?? false;
  }

  /** Code of the endpoint's last failure ("ECONNREFUSED"), while it is down. */
  failureOf(address: SocketAddress): string | undefined {
    const record = this.#records.get(endpointKey(address));
    return record?.isDown ? record.code : undefined;
  }

  /**
   * A connection to the endpoint could not be made: it is down for 1 s, for twice as long each further time, 60 s at most.
   * An endpoint under active checks is down until one of them succeeds.
   *
   * @param code of the error: "ECONNREFUSED"
   */
  failed(address: SocketAddress, code: string): void {
    if (notItsFault.has(code)) return;
    const key = endpointKey(address);
    const record = this.#records.get(key) ?? this.#begin(key);
    if (record === undefined || record.isDown) return;
    record.isDown = true;
    record.code = code;
    const downMs = record.backoff.next();
    clearTimeout(record.timer);
    const isChecked = this.#checks.has(key);
    record.timer = isChecked ? undefined : setTimeout(() => this.#readmit(key, record), downMs);
    const until = isChecked ? 'until a check succeeds' : `for ${downMs} ms`;
    this.#options.logger.warn(`endpoint ${key} is left out ${until}: ${code}`, { endpoint: key, code });
    this.#tell(key);
  }

  /** A connection to the endpoint was accepted. */
  succeeded(address: SocketAddress): void {
    const key = endpointKey(address);
    const record = this.#records.get(key);
    if (record === undefined) return;
    clearTimeout(record.timer);
    this.#records.delete(key);
    if (!record.isDown) return;
    this.#options.logger.info(`endpoint ${key} accepts again`, { endpoint: key });
    this.#tell(key);
  }

  /**
   * Checks a backend's endpoints by connecting to them, from now on and in place of those named before.
   *
   * @param owner the backend's key
   * @param addresses empty ends its checks
   * @param everyMs time between two checks of one endpoint
   */
  check(owner: string, addresses: readonly SocketAddress[], everyMs: number): void {
    const released = this.#checks.set(owner, addresses, everyMs);
    // Nobody will find out any more that these are up again; the next caller may.
    for (const key of released) {
      const record = this.#records.get(key);
      if (record?.isDown) this.#readmit(key, record);
    }
  }

  /** @returns ends the subscription */
  subscribe(listener: (key: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Ends every check and every timer. */
  stop(): void {
    this.#listeners.clear();
    this.#checks.stop();
    for (const record of this.#records.values()) clearTimeout(record.timer);
    this.#records.clear();
  }

  #begin(key: string): Record | undefined {
    if (this.#records.size >= maxRecords) return undefined;
    const random = this.#options.random === undefined ? {} : { random: this.#options.random };
    const record: Record = {
      backoff: new Backoff({ ...ejection, ...random }),
      isDown: false,
      code: undefined,
      timer: undefined,
    };
    this.#records.set(key, record);
    return record;
  }

  /** Whoever dials it next finds out; a failure then counts for longer. */
  #readmit(key: string, record: Record): void {
    record.isDown = false;
    clearTimeout(record.timer);
    record.timer = setTimeout(() => this.#records.delete(key), memoryMs);
    record.timer.unref();
    this.#tell(key);
  }

  #tell(key: string): void {
    for (const listener of [...this.#listeners]) listener(key);
  }
}
