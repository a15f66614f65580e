/**
 * Registries: what Nuncio needs of etcd and Consul, for discovery and for registration.
 *
 *     const etcd = new EtcdConnections({ settings: {}, logger });
 *     etcd.follow([{ host: '10.0.0.2', port: 2379 }], {
 *       onSession: async (session) => { const tree = await session.read('/services/web', signal); … },
 *       onLost: () => …, onDown: (error) => …,
 *     }, signal);
 */
import { formatHostPort } from '../core/address.ts';
import { Backoff, sleep } from '../core/backoff.ts';
import type { AppError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { EtcdSession } from './etcd-session.ts';
import { checkEtcdSettings, type EtcdServer, type EtcdSettings } from './etcd-settings.ts';

/** What a follower does with a session; when it ends is the connection's business. */
export type EtcdReader = Pick<EtcdSession, 'read' | 'watch'>;
export type EtcdWriter = Pick<EtcdSession, 'ask'>;

/** Who uses a cluster is told of its sessions; never synchronously in `follow`, nor after abort. */
export interface SessionFollower {
  /** There is a session: read and watch with it. */
  onSession(session: EtcdReader & EtcdWriter): void;
  /** The session is over, and all that was read from it may be out of date; another server is tried next. */
  onLost(): void;
  /** No server of the list could be used; they are tried again. Told after each round. */
  onDown(error: AppError): void;
}

export interface EtcdConnectionsOptions {
  readonly settings: EtcdSettings;
  readonly logger: Logger;
  /** What goes on while no server answers, for the log line of an outage. */
  readonly meanwhile?: string;
  /** Waits; ends early on abort. Never rejects. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
  /** 0 <= random() < 1: which server is the first, so that many hosts do not all choose the same. */
  readonly random?: () => number;
  /** A clock that does not jump, ms. */
  readonly now?: () => number;
}

/** One connection a distinct list of servers, whatever the number of those who use it; closed after the last has left. */
export class EtcdConnections {
  readonly #options: Required<EtcdConnectionsOptions>;
  readonly #clusters = new Map<string, Cluster>();

  /** @throws AppError ERR_CANNOT_START where the certificates cannot be used */
  constructor(options: EtcdConnectionsOptions) {
    checkEtcdSettings(options.settings);
    const defaults = { sleep, random: Math.random, now: () => performance.now() };
    this.#options = { ...defaults, meanwhile: 'the sets from before stay', ...options };
  }

  /** How many clusters are in use, each with one connection at most. */
  get size(): number {
    return this.#clusters.size;
  }

  /**
   * Uses the cluster that the servers are members of, until the signal aborts.
   *
   * @param servers in any order; tried in turn
   */
  follow(servers: readonly EtcdServer[], follower: SessionFollower, signal: AbortSignal): void {
    if (signal.aborted) return;
    const names = servers.map(({ host, port }) => formatHostPort(host, port));
    const key = names.toSorted().join(',');
    const cluster = this.#clusters.get(key) ?? new Cluster(servers, this.#options);
    this.#clusters.set(key, cluster);
    cluster.add(follower);
    signal.addEventListener(
      'abort',
      () => {
        if (cluster.remove(follower)) this.#clusters.delete(key);
      },
      { once: true },
    );
  }
}

/** A session that lasts this long has proved itself: the next failure begins with the shortest delay again, ms. */
const stableMs = 5000;

/** The servers of one list, and the session with one of them. */
class Cluster {
  readonly #servers: readonly EtcdServer[];
  readonly #options: Required<EtcdConnectionsOptions>;
  readonly #followers = new Set<SessionFollower>();
  /** Those that know what the others do; who has just come is told in its turn. */
  readonly #caughtUp = new Set<SessionFollower>();
  readonly #end = new AbortController();
  readonly #backoff: Backoff;
  #session: EtcdSession | undefined;
  /** Why no server can be used; undefined while one can, or before that is known. */
  #down: AppError | undefined;

  constructor(servers: readonly EtcdServer[], options: Required<EtcdConnectionsOptions>) {
    this.#servers = servers;
    this.#options = options;
    this.#backoff = new Backoff({ initialMs: 200, maxMs: 30_000, random: options.random });
    queueMicrotask(() => void this.#run());
  }

  add(follower: SessionFollower): void {
    this.#followers.add(follower);
    queueMicrotask(() => {
      if (!this.#followers.has(follower)) return;
      this.#caughtUp.add(follower);
      if (this.#session !== undefined) follower.onSession(this.#session);
      else if (this.#down !== undefined) follower.onDown(this.#down);
    });
  }

  /** @returns whether that was the last one: then everything has ended */
  remove(follower: SessionFollower): boolean {
    this.#followers.delete(follower);
    this.#caughtUp.delete(follower);
    if (this.#followers.size > 0) return false;
    this.#end.abort();
    this.#session?.close();
    return true;
  }

  async #run(): Promise<void> {
    const { sleep, random } = this.#options;
    const { signal } = this.#end;
    const count = this.#servers.length;
    const first = Math.floor(random() * count);
    let failures = 0;
    for (let turn = 0; !signal.aborted; turn++) {
      const server = this.#servers[(first + turn) % count];
      if (server === undefined) return;
      const { error, wasStable } = await this.#use(server);
      if (error === undefined) return;
      if (wasStable) {
        failures = 0;
        this.#backoff.reset();
      }
      failures++;
      if (failures % count !== 0) continue;
      this.#setDown(error);
      await sleep(this.#backoff.next(), signal);
    }
  }

  /** Opens a session, has it used for as long as it lasts, and says why it is over; no error after the last has left. */
  async #use(server: EtcdServer): Promise<{ readonly error?: AppError; readonly wasStable?: boolean }> {
    const { settings, now } = this.#options;
    const opened = await EtcdSession.open(server, settings, this.#end.signal);
    if (this.#end.signal.aborted) {
      if (opened.ok) opened.value.close();
      return {};
    }
    if (!opened.ok) return opened;
    const session = opened.value;
    const beganMs = now();
    this.#setUp(server, session);
    const error = await session.ended;
    if (error === undefined) return {};
    this.#session = undefined;
    for (const follower of [...this.#caughtUp]) follower.onLost();
    return { error, wasStable: now() - beganMs >= stableMs };
  }

  #setUp(server: EtcdServer, session: EtcdSession): void {
    this.#session = session;
    const name = formatHostPort(server.host, server.port);
    if (this.#down !== undefined) this.#options.logger.info(`etcd ${name}: answers again`);
    this.#down = undefined;
    for (const follower of [...this.#caughtUp]) follower.onSession(session);
  }

  #setDown(error: AppError): void {
    if (this.#down === undefined) {
      const others = this.#servers.length > 1 ? `; so with all ${this.#servers.length} servers` : '';
      const message = `${error.message}${others}; ${this.#options.meanwhile}, tried again until one answers`;
      this.#options.logger.warn(message, { code: error.code });
    }
    this.#down = error;
    for (const follower of [...this.#caughtUp]) follower.onDown(error);
  }
}
