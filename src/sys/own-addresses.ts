import { messageOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Part } from '../core/part.ts';
import { localAddresses } from './local-addresses.ts';

const refreshMs = 5000;

/** The addresses of this network namespace, read again every 5 s: a container may be connected to a network at any time. */
export class OwnAddresses implements Part {
  readonly #logger: Logger;
  #addresses: ReadonlySet<string> = new Set(['127.0.0.1', '::1']);
  readonly #listeners = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** @param ip canonical */
  has(ip: string): boolean {
    return this.#addresses.has(ip);
  }

  get all(): ReadonlySet<string> {
    return this.#addresses;
  }

  /**
   * Tells of each change from now on.
   * @returns ends the subscription
   */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async start(): Promise<void> {
    await this.#read();
    this.#timer = setInterval(() => void this.#read(), refreshMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
  }

  async #read(): Promise<void> {
    try {
      const addresses = new Set(await localAddresses());
      if ([...addresses].join() === [...this.#addresses].join()) return;
      this.#addresses = addresses;
      for (const listener of [...this.#listeners]) listener();
    } catch (thrown) {
      this.#logger.warn(`own addresses cannot be read, the last ones stay: ${messageOf(thrown)}`);
    }
  }
}
