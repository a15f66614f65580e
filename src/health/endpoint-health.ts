/**
 * Health: which endpoints are down, by what connections to them have shown.
 *
 *     const health = new EndpointHealth({ connect, logger });
 *     health.subscribe((key) => …);          // an endpoint's state has changed
 *     health.failed(endpoint, 'ECONNREFUSED'); // passive: a dial failed
 *     health.check('backend', endpoints, 5000); // active: connect every 5 s
 *     health.check('app', endpoints, 5000, 'blog.example.com'); // active: HEAD / by HTTP, with that Host
 *     health.isDown(endpoint);
 *     health.isDown(endpoint, 'blog.example.com');
 *
 * State belongs to an address, whatever number of backends name it; what an HTTP check has shown, to address and host.
 */
import type { SocketAddress } from '../core/address.ts';
import { Backoff } from '../core/backoff.ts';
import { endpointKey } from '../core/endpoint.ts';
import type { Logger } from '../core/log.ts';
import { askOnce } from './ask-once.ts';
import { type AskOnce, Checks, type ConnectOnce, healthKey } from './checks.ts';

export interface EndpointHealthOptions {
  readonly connect: ConnectOnce;
  /** Absent: `askOnce`. */
  readonly ask?: AskOnce;
  readonly logger: Logger;
  /** 0 <= random() < 1 */
  readonly random?: () => number;
}

interface Record {
  readonly backoff: Backoff;
  isDown: boolean;
  /** Of the last failure. */
  code: string;
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
  readonly #checks: Checks;
  readonly #listeners = new Set<(key: string) => void>();

  constructor(options: EndpointHealthOptions) {
    this.#options = options;
    this.#checks = new Checks({
      connect: options.connect,
      ask: options.ask ?? askOnce,
      onResult: (address, host, code) => {
        if (code !== undefined) this.failed(address, code, host);
        else {
          this.succeeded(address, host);
          if (host !== undefined) this.succeeded(address);
        }
      },
    });
  }

  /** @param host where the endpoint is asked for a host by HTTP: that host's check counts too */
  isDown(address: SocketAddress, host?: string): boolean {
    return this.failureOf(address, host) !== undefined;
  }

  /** Code of the endpoint's last failure ("ECONNREFUSED", "HTTP_503"), while it is down. */
  failureOf(address: SocketAddress, host?: string): string | undefined {
    const record = this.#records.get(endpointKey(address));
    if (record?.isDown) return record.code;
    const asked = host === undefined ? undefined : this.#records.get(healthKey(address, host));
    return asked?.isDown ? asked.code : undefined;
  }

  /**
   * A connection to the endpoint could not be made: it is down for 1 s, for twice as long each further time, 60 s at most.
   * An endpoint under active checks is down until one of them succeeds.
   *
   * @param code of the error: "ECONNREFUSED"
   * @param host of the HTTP check that has failed
   */
  failed(address: SocketAddress, code: string, host?: string): void {
    if (notItsFault.has(code)) return;
    const key = healthKey(address, host);
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
    this.#tell(endpointKey(address));
  }

  /** A connection to the endpoint was accepted, or an HTTP check answered. */
  succeeded(address: SocketAddress, host?: string): void {
    const key = healthKey(address, host);
    const record = this.#records.get(key);
    if (record === undefined) return;
    clearTimeout(record.timer);
    this.#records.delete(key);
    if (!record.isDown) return;
    this.#options.logger.info(`endpoint ${key} accepts again`, { endpoint: key });
    this.#tell(endpointKey(address));
  }

  /**
   * Checks a backend's endpoints by connecting to them, from now on and in place of those named before.
   *
   * @param owner the backend's key
   * @param addresses empty ends its checks
   * @param everyMs time between two checks of one endpoint
   * @param host    asks by HTTP for this host; absent: connects
   */
  check(owner: string, addresses: readonly SocketAddress[], everyMs: number, host?: string): void {
    const released = this.#checks.set(owner, addresses, everyMs, host);
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
      code: '',
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
    this.#tell(key.split(' ')[0] ?? key);
  }

  #tell(key: string): void {
    for (const listener of [...this.#listeners]) listener(key);
  }
}
