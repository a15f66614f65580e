import type { SocketAddress } from '../../core/address.ts';
import { isInfoWanted } from '../../core/log.ts';
import type { RouteChange } from '../../route/table.ts';
import { type DataPlane, type DataPlaneOptions, defaultLimits, type ProxyCounters } from '../data-plane.ts';
import type { EndpointTraffic } from '../traffic.ts';
import { Counters, makeCounterMemory } from './counters.ts';
import { Listeners } from './listeners.ts';
import type { FromWorker, FrontReport, ToWorker } from './messages.ts';
import type { Tenant, WorkerPool } from './pool.ts';
import type { PoolShare } from './shared-pool.ts';
import { TrafficSum } from './traffic-sum.ts';

/** How long the workers may take to close their part, ms. */
const closeMs = 1000;

/** Messages that every worker answers once. */
type Answer = 'deaf' | 'idle' | 'closed';

/**
 * The main thread's part of the data plane in worker threads: it opens the listening sockets, hands on what changes in
 * the table, answers who an unknown caller is, and takes the workers' reports. It never touches a byte.
 */
export class EpollProxy implements DataPlane, Tenant {
  readonly #options: DataPlaneOptions;
  readonly #share: PoolShare;
  readonly #pool: WorkerPool;
  readonly #memory: SharedArrayBuffer;
  readonly #total: Counters;
  readonly #traffic = new TrafficSum();
  readonly #unsubscribes: (() => void)[] = [];
  readonly #awaited = new Map<Answer, { readonly threads: Set<number>; readonly done: () => void }>();
  #changes: RouteChange[] = [];
  #front = 0;
  #listeners: Listeners | undefined;
  #isDeaf = false;
  #ending: Promise<void> | undefined;
  #idle: Promise<void> | undefined;
  #onHurry: (() => void) | undefined;

  /** @param share in the workers; given back by `stop`, or by a `start` that fails */
  constructor(options: DataPlaneOptions, share: PoolShare) {
    this.#options = options;
    this.#share = share;
    this.#pool = share.pool;
    this.#memory = makeCounterMemory(share.pool.threads.length);
    this.#total = new Counters(this.#memory, 0);
  }

  get kind(): string {
    const { length } = this.#pool.threads;
    return length === 1 ? '1 worker thread' : `${length} worker threads`;
  }

  get address(): SocketAddress | undefined {
    return this.#listeners?.address;
  }

  get listener(): number | undefined {
    return this.#isDeaf ? undefined : this.#listeners?.fds[0];
  }

  get counters(): ProxyCounters {
    return this.#total.total();
  }

  traffic(): readonly EndpointTraffic[] {
    return this.#traffic.rows(this.#options.routes);
  }

  /** @throws AppError ERR_CANNOT_START where the port cannot be listened on */
  async start(): Promise<void> {
    const { host, port, routes, own } = this.#options;
    const pool = this.#pool;
    try {
      this.#listeners = await Listeners.open(pool.sockets, host, port, pool.threads.length);
    } catch (thrown) {
      await this.#end();
      throw thrown;
    }
    this.#front = pool.admit(this);
    this.#unsubscribes.push(routes.subscribe((change) => this.#routeChanged(change)));
    if (own !== undefined) this.#unsubscribes.push(own.subscribe(() => this.#tellOwnAddresses()));
    for (const thread of pool.threads) this.onBorn(thread);
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#onHurry?.();
    const { logger } = this.#options;
    const idle = this.#stopAccepting();
    const { active } = this.counters;
    if (active > 0 && deadlineMs > 0) {
      logger.info(`draining ${active} connection(s), at most ${deadlineMs} ms`);
      await this.#within(idle, deadlineMs);
    }
    if (this.counters.active > 0) {
      logger.warn(`cutting off ${this.counters.active} connection(s)`);
      this.#broadcast({ kind: 'cut-off', front: this.#front });
    }
    await this.#end();
  }

  onMessage(thread: number, message: Exclude<FromWorker, { kind: 'ready' }>): void {
    switch (message.kind) {
      case 'report':
        this.#takeReport(thread, message);
        break;
      case 'who-is':
        void this.#lookUp(thread, message.ip);
        break;
      default:
        this.#answered(message.kind, thread);
    }
  }

  onDied(thread: number): void {
    new Counters(this.#memory, thread).died();
    this.#traffic.died(thread);
    for (const answer of [...this.#awaited.keys()]) this.#answered(answer, thread);
  }

  onBorn(thread: number): void {
    const listener = this.#listeners?.fds[thread - 1];
    if (listener === undefined || this.#isDeaf) return;
    const { routes, own, destination, limits, maxConnections, logger } = this.#options;
    // The snapshot has every change that is still to be handed to the others.
    this.#flushChanges();
    this.#pool.send(thread, {
      kind: 'open',
      settings: {
        front: this.#front,
        listener,
        counters: this.#memory,
        routes: routes.snapshot(),
        ownAddresses: [...(own?.all ?? [])],
        destination,
        limits: { ...defaultLimits, ...limits },
        maxConnections,
        logsInfo: isInfoWanted(logger),
        lineFormat: logger.written?.format,
      },
    });
  }

  /** @returns settled when no connection is left */
  #stopAccepting(): Promise<void> {
    if (this.#idle !== undefined) return this.#idle;
    this.#listeners?.shutDown();
    this.#isDeaf = true;
    const deaf = this.#allAnswer('deaf');
    this.#idle = this.#allAnswer('idle');
    this.#broadcast({ kind: 'drain', front: this.#front });
    // Not before: a worker must not accept from a number that is another file by then.
    void deaf.then(() => this.#listeners?.close());
    return this.#idle;
  }

  /** Once, however often it is called. */
  #end(): Promise<void> {
    this.#ending ??= this.#endOnce();
    return this.#ending;
  }

  async #endOnce(): Promise<void> {
    for (const unsubscribe of this.#unsubscribes.splice(0)) unsubscribe();
    const closed = this.#allAnswer('closed');
    this.#broadcast({ kind: 'close', front: this.#front });
    await this.#within(closed, closeMs);
    this.#pool.dismiss(this.#front);
    await this.#share.giveBack();
    // Whatever the workers have answered, now none of them is there, or none has this front.
    this.#listeners?.close();
  }

  #within(event: Promise<void>, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(done, ms);
      // A second stop (the operator has lost patience) must not leave the first one waiting.
      this.#onHurry = done;
      void event.then(done);
    });
  }

  #broadcast(message: ToWorker): void {
    for (const thread of this.#pool.threads) this.#pool.send(thread, message);
  }

  #allAnswer(answer: Answer): Promise<void> {
    const pool = this.#pool;
    // Before `start`, and after it has failed, no worker knows this front.
    const threads = new Set(pool.threads.filter((thread) => this.#front > 0 && pool.isAlive(thread)));
    if (threads.size === 0) return Promise.resolve();
    return new Promise((done) => this.#awaited.set(answer, { threads, done }));
  }

  #answered(answer: Answer, thread: number): void {
    const awaited = this.#awaited.get(answer);
    if (awaited === undefined) return;
    awaited.threads.delete(thread);
    if (awaited.threads.size > 0) return;
    this.#awaited.delete(answer);
    awaited.done();
  }

  #routeChanged(change: RouteChange): void {
    this.#changes.push(change);
    // What changes in one go is one message, and one wake-up.
    if (this.#changes.length === 1) queueMicrotask(() => this.#flushChanges());
  }

  #flushChanges(): void {
    const changes = this.#changes;
    if (changes.length === 0) return;
    this.#changes = [];
    this.#broadcast({ kind: 'routes', front: this.#front, changes });
  }

  #tellOwnAddresses(): void {
    const addresses = [...(this.#options.own?.all ?? [])];
    this.#broadcast({ kind: 'own-addresses', front: this.#front, addresses });
  }

  async #lookUp(thread: number, ip: string): Promise<void> {
    await this.#options.awaitCaller(ip);
    this.#flushChanges();
    this.#pool.send(thread, { kind: 'looked-up', front: this.#front, ip });
  }

  #takeReport(
    thread: number,
    { lines, written, writtenCount, lostLines, dials, traffic }: FrontReport,
  ): void {
    const { logger, health } = this.#options;
    for (const { ip, port, code } of dials) {
      if (code === undefined) health.succeeded({ ip, port });
      else health.failed({ ip, port }, code);
    }
    if (traffic !== undefined) this.#traffic.told(thread, traffic);
    for (const { level, message, fields } of lines) logger[level](message, fields);
    if (writtenCount > 0) logger.written?.take(written);
    if (lostLines > 0) logger.warn(`${lostLines} line(s) of the log are lost: too many at a time`);
    new Counters(this.#memory, thread).tookLines(lines.length + writtenCount);
  }
}
