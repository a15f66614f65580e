import { isDeepStrictEqual } from 'node:util';
import { Backoff } from '../core/backoff.ts';
import { AppError, messageOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { AgentCheck, AgentService, ConsulAgentServices } from '../registry/consul-agent.ts';
import type { EntryKeeper, KeeperState } from './keeper.ts';

/** A service to be registered, with the check that Consul makes of it. */
export interface ConsulEntry {
  readonly service: Omit<AgentService, 'id' | 'meta'>;
  readonly check: AgentCheck;
}

export interface ConsulKeeperOptions {
  readonly client: Pick<ConsulAgentServices, 'where' | 'list' | 'register' | 'deregister' | 'close'>;
  /** This host's mark: what carries it is ours, and nobody else's. */
  readonly host: string;
  readonly logger: Logger;
  /** How often it is looked whether everything is there, ms. */
  readonly checkMs?: number;
}

/** The field of a service's metadata that says which host has registered it. */
export const hostMark = 'nuncio-host';

/**
 * Entries in a Consul agent, by service id. Consul has no lease for them: what a host that is gone has left is taken down by
 * its checks. One loop: at each change, and every 30 s, the agent's services that carry our mark are compared with what is
 * wanted; what is missing or different is registered, what is not wanted any more is removed.
 */
export class ConsulKeeper implements EntryKeeper<ConsulEntry> {
  readonly #options: Required<ConsulKeeperOptions>;
  readonly #end = new AbortController();
  readonly #backoff = new Backoff({ initialMs: 200, maxMs: 30_000 });
  #wanted: ReadonlyMap<string, ConsulEntry> = new Map();
  #isChanged = true;
  #hasAnswered = false;
  #wasDown = false;
  /** Ids that are in the agent, as far as is known. */
  #written: ReadonlySet<string> = new Set();
  /** Ids that the agent has refused, with its words. */
  readonly #refused = new Map<string, string>();
  #wake: () => void = () => {};
  #loop: Promise<void> = Promise.resolve();
  #stopping: Promise<void> | undefined;

  constructor(options: ConsulKeeperOptions) {
    this.#options = { checkMs: 30_000, ...options };
  }

  get state(): KeeperState {
    const written = [...this.#wanted.keys()].filter((id) => this.#written.has(id)).length;
    return { isConnected: this.#hasAnswered && !this.#wasDown, wanted: this.#wanted.size, written };
  }

  /** Does not wait for Consul: an outage at the start is one like any other. */
  async start(): Promise<void> {
    this.#loop = this.#keepAll();
  }

  hold(entries: ReadonlyMap<string, ConsulEntry>): void {
    if (isDeepStrictEqual(this.#wanted, entries)) return;
    this.#wanted = new Map(entries);
    this.#isChanged = true;
    this.#wake();
  }

  /** Removes all that is ours. Where the agent cannot be told, its checks take the entries down. */
  stop(deadlineMs: number): Promise<void> {
    this.#stopping ??= this.#finish();
    const timer = setTimeout(() => this.#end.abort(), deadlineMs);
    return this.#stopping.finally(() => clearTimeout(timer));
  }

  async #finish(): Promise<void> {
    const { client, logger } = this.#options;
    this.#wake();
    await this.#loop;
    const { size } = this.#written;
    this.#wanted = new Map();
    try {
      if (this.#hasAnswered) await this.#compare();
      if (size > 0) logger.info(`consul ${client.where}: what was registered is removed (${size})`);
    } catch (thrown) {
      const what = `what is registered (${size}) stays until its checks fail`;
      logger.warn(`consul ${client.where} could not be told: ${messageOf(thrown)}; ${what}`);
    }
    this.#end.abort();
    client.close();
  }

  async #keepAll(): Promise<void> {
    while (this.#stopping === undefined && !this.#end.signal.aborted) {
      this.#isChanged = false;
      const failure = await this.#compare().then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      if (this.#end.signal.aborted || this.#stopping !== undefined) return;
      this.#setDown(failure);
      if (failure === undefined) {
        this.#backoff.reset();
        if (!this.#isChanged) await this.#idle(this.#options.checkMs);
      } else await this.#idle(this.#backoff.next());
    }
  }

  /** Makes the agent's services that are ours what is wanted. @throws AppError where the agent does not answer */
  async #compare(): Promise<void> {
    const { client, logger } = this.#options;
    const { signal } = this.#end;
    const wanted = this.#wanted;
    const all = await client.list(signal);
    this.#hasAnswered = true;
    const ours = new Map(
      all.filter((one) => one.meta[hostMark] === this.#options.host).map((one) => [one.id, one]),
    );
    const written = new Set(ours.keys());
    this.#written = written;
    for (const id of this.#refused.keys()) if (!wanted.has(id) && !ours.has(id)) this.#refused.delete(id);
    for (const [id, entry] of wanted) {
      const service: AgentService = { id, ...entry.service, meta: { [hostMark]: this.#options.host } };
      if (isDeepStrictEqual(ours.get(id), service)) continue;
      const isThere = await this.#told(id, () => client.register(service, entry.check, signal));
      if (!isThere) continue;
      written.add(id);
      logger.info(`consul ${client.where}: registered ${id} at ${service.address}:${service.port}`);
    }
    for (const id of ours.keys()) {
      if (wanted.has(id)) continue;
      const isGone = await this.#told(id, () => client.deregister(id, signal));
      if (!isGone) continue;
      written.delete(id);
      if (this.#stopping === undefined) logger.info(`consul ${client.where}: removed ${id}`);
    }
  }

  /** One entry that the agent refuses is told once, and tried again; the others go on. @throws AppError on an outage */
  async #told(id: string, call: () => Promise<void>): Promise<boolean> {
    try {
      await call();
      this.#refused.delete(id);
      return true;
    } catch (thrown) {
      const isRefusal = thrown instanceof AppError && /HTTP 4\d\d/.test(thrown.message);
      if (!isRefusal) throw thrown;
      if (this.#refused.get(id) !== thrown.message)
        this.#options.logger.warn(thrown.message, { code: thrown.code });
      this.#refused.set(id, thrown.message);
      return false;
    }
  }

  #setDown(failure: unknown): void {
    const { client, logger } = this.#options;
    if (failure !== undefined && !this.#wasDown) {
      logger.warn(`${messageOf(failure)}; what is registered stays as it is, tried again until it answers`);
    }
    if (failure === undefined && this.#wasDown) logger.info(`consul ${client.where}: answers again`);
    this.#wasDown = failure !== undefined;
  }

  /** Until something has changed, or so long. */
  async #idle(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { signal } = this.#end;
    const wake = () => resolve();
    const timer = setTimeout(wake, ms);
    this.#wake = wake;
    signal.addEventListener('abort', wake, { once: true });
    await promise;
    clearTimeout(timer);
    signal.removeEventListener('abort', wake);
  }
}
