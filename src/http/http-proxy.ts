/**
 * The HTTP proxy: applications by domain. The way of a request:
 *
 *     client.ts -> request-head.ts -> applications.ts -> exchange.ts -> upstream-pool.ts, upstream.ts -> response-head.ts
 *     bytes        strict reading      Host               endpoint       connection                       the answer
 *
 * It reads a route table and nothing else. HTTP is read here and not by Node's `http`: what is passed on is what was
 * read, so there is one reading only, and it refuses whatever could have two; it is also three times as fast.
 *
 *     const proxy = new HttpProxy({ host: '::', port: 80, table, health, limits: httpLimits(60_000), … });
 *     await proxy.start();
 *     await proxy.stop(30_000); // drains
 *
 * Source: RFC 9110, RFC 9112
 */
import type { Socket } from 'node:net';
import { canonicalIp, formatHostPort, type SocketAddress } from '../core/address.ts';
import { type Endpoint, endpointKey } from '../core/endpoint.ts';
import type { HttpStatus } from '../core/gateway-status.ts';
import { Idleness } from '../core/idleness.ts';
import type { Logger } from '../core/log.ts';
import type { Part } from '../core/part.ts';
import { ok } from '../core/result.ts';
import { type DialReport, defaultLimits } from '../proxy/data-plane.ts';
import { Pickers } from '../proxy/pickers.ts';
import { dial } from '../proxy/portable/dial.ts';
import { Listener } from '../proxy/portable/listener.ts';
import { type Application, type ApplicationTable, findApplication } from './applications.ts';
import { ClientConnection, type ClientHost } from './client.ts';
import type { Exchange, Upstreams } from './exchange.ts';
import type { HttpLimits } from './limits.ts';
import { RefusalLog } from './refusal-log.ts';
import type { RequestHead } from './request-head.ts';
import { shownClient, shownRequest } from './request-text.ts';
import { ApplicationTraffic, Rate } from './traffic.ts';
import { UpstreamConnection } from './upstream.ts';
import { defaultPoolLimits, UpstreamPool } from './upstream-pool.ts';

export interface HttpProxyOptions {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  readonly table: ApplicationTable;
  /** Told of what each dial has shown. */
  readonly health: DialReport;
  readonly limits: HttpLimits;
  readonly connectTimeoutMs: number;
  /** Clients' connections at a time; one more is reset. */
  readonly maxConnections: () => number;
  /** Whether a client's X-Forwarded-Host, -Port and -Proto are passed on. */
  readonly isTrusted: (ip: string) => boolean;
  readonly logger: Logger;
  /** One line for each request, at the level of debugging. */
  readonly hasAccessLog: boolean;
}

/** How exactly waits are kept, ms. */
const tickMs = 250;
/** How often the counters of endpoints that have gone are dropped, ms. */
const pruneMs = 60_000;
/** A request that must not be repeated takes a kept-alive connection only where that was in use so recently, ms. */
const freshMs = 1000;

export class HttpProxy implements Part, ClientHost, Upstreams {
  readonly #options: HttpProxyOptions;
  readonly #listener: Listener;
  readonly #pickers: Pickers;
  readonly #pool = new UpstreamPool(defaultPoolLimits);
  readonly #clients = new Set<ClientConnection>();
  readonly #upstreams = new Set<UpstreamConnection>();
  readonly #traffic = new Map<string, ApplicationTraffic>();
  readonly #rate = new Rate();
  readonly #refusals: RefusalLog;
  readonly #unsubscribe: () => void;
  #timer: NodeJS.Timeout | undefined;
  #ticks = 0;
  #now = performance.now();
  #date = new Date().toUTCString();
  #isDraining = false;
  readonly #idleness = new Idleness();
  #address: SocketAddress | undefined;
  #accepted = 0;
  #requests = 0;
  #refused = 0;
  #isFull = false;

  constructor(options: HttpProxyOptions) {
    this.#options = options;
    const { host, port, logger, table } = options;
    this.#listener = new Listener({ host, port, logger, onConnection: (socket) => this.#accept(socket) });
    this.#pickers = new Pickers(table);
    this.#refusals = new RefusalLog(logger);
    this.#unsubscribe = table.subscribe((change) => {
      if (change.kind === 'caller-gone') this.#traffic.delete(change.id);
    });
  }

  /** The bound address; undefined before `start`. */
  get address(): SocketAddress | undefined {
    return this.#address;
  }

  get limits(): HttpLimits {
    return this.#options.limits;
  }

  get upstreams(): Upstreams {
    return this;
  }

  get now(): number {
    return this.#now;
  }

  get date(): string {
    return this.#date;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Clients' connections that are open. */
  get active(): number {
    return this.#clients.size;
  }

  get status(): HttpStatus {
    const address = this.#address;
    return {
      ...(address === undefined ? {} : { address: formatHostPort(address.ip, address.port) }),
      connections: this.#clients.size,
      accepted: this.#accepted,
      requests: this.#requests,
      requestsPerSecond: this.#rate.perSecond,
      refused: this.#refused,
      keptAlive: this.#pool.size,
    };
  }

  /** What has gone to an application; undefined where nothing has. */
  traffic(domain: string): ApplicationTraffic | undefined {
    return this.#traffic.get(domain);
  }

  /** @throws AppError ERR_CANNOT_START where the port cannot be listened on */
  async start(): Promise<void> {
    this.#address = await this.#listener.open();
    this.#timer = setInterval(() => this.#tick(), tickMs);
  }

  async stop(deadlineMs: number): Promise<void> {
    const isIdle = () => this.#clients.size === 0;
    this.#isDraining = true;
    this.#listener.close();
    for (const client of [...this.#clients]) client.drain();
    if (this.#clients.size > 0 && deadlineMs > 0) {
      this.#options.logger.info(
        `draining ${this.#clients.size} HTTP connection(s), at most ${deadlineMs} ms`,
      );
      await this.#idleness.within(deadlineMs, isIdle);
    }
    if (this.#clients.size > 0) {
      this.#options.logger.warn(`cutting off ${this.#clients.size} HTTP connection(s)`);
      for (const client of [...this.#clients]) client.destroy();
      await this.#idleness.within(1000, isIdle);
    }
    clearInterval(this.#timer);
    this.#pool.stop();
    for (const connection of [...this.#upstreams]) connection.discard();
    this.#refusals.stop();
    this.#unsubscribe();
    this.#pickers.stop();
  }

  // What a client's connection calls.

  find(domain: string): { application: Application; traffic: ApplicationTraffic } | undefined {
    const application = findApplication(this.#options.table, domain);
    if (application === undefined) return undefined;
    let traffic = this.#traffic.get(application.domain);
    if (traffic === undefined) {
      traffic = new ApplicationTraffic();
      this.#traffic.set(application.domain, traffic);
    }
    traffic.rate.add();
    return { application, traffic };
  }

  onRequest(): void {
    this.#requests++;
    this.#rate.add();
  }

  onRefused(
    status: number,
    reason: string,
    client: string,
    request: string,
    traffic?: ApplicationTraffic,
  ): void {
    if (traffic === undefined) this.#refused++;
    else traffic.answered(status);
    this.#refusals.tell(status, reason, client, request);
  }

  onServed(client: string, request: RequestHead, exchange: Exchange, cut: string | undefined): void {
    if (cut !== undefined && exchange.isAnswered) {
      this.#options.logger.info(`cut off: ${shownRequest(request)}: ${cut}`, {
        caller: client,
        endpoint: exchange.endpoint,
      });
      return;
    }
    if (!this.#options.hasAccessLog) return;
    const { status, endpoint } = exchange.outcome;
    this.#options.logger.debug('request', {
      caller: client,
      request: shownRequest(request),
      endpoint,
      status,
    });
  }

  // What an exchange calls.

  pick({ backend }: Application, tried: ReadonlySet<Endpoint>): Endpoint | undefined {
    const { endpoints } = backend;
    // Nothing to choose: most applications have one instance.
    if (endpoints.length === 1 && tried.size === 0) return endpoints[0];
    return this.#pickers.of(backend).pick({ tried, active: this.#pickers.active });
  }

  idle(endpoint: Endpoint, isRepeatable: boolean): UpstreamConnection | undefined {
    return this.#pool.take(
      endpointKey(endpoint),
      this.#now,
      isRepeatable ? Number.POSITIVE_INFINITY : freshMs,
    );
  }

  async dial(endpoint: Endpoint, { backend }: Application, signal: AbortSignal) {
    const { health, connectTimeoutMs } = this.#options;
    const dialled = await dial(
      { pick: ({ tried }) => (tried.size === 0 ? endpoint : undefined) },
      {
        ...defaultLimits,
        connectTimeoutMs: backend.options.connectTimeoutMs ?? connectTimeoutMs,
        active: this.#pickers.active,
        onFailure: (failed, code) => health.failed(failed, code),
        signal,
      },
    );
    if (!dialled.ok) return dialled;
    health.succeeded(endpoint);
    const connection = new UpstreamConnection(dialled.value.socket, endpoint, (gone) => {
      this.#upstreams.delete(gone);
      this.#pool.remove(gone);
    });
    this.#upstreams.add(connection);
    return ok(connection);
  }

  release(connection: UpstreamConnection): void {
    if (this.#isDraining) connection.discard();
    else this.#pool.give(connection, this.#now);
  }

  begin(endpoint: Endpoint): () => void {
    return this.#pickers.begin(endpoint);
  }

  #accept(socket: Socket): void {
    const ip = canonicalIp(socket.remoteAddress ?? '');
    if (ip === undefined) {
      socket.destroy();
      return;
    }
    if (this.#clients.size >= this.#options.maxConnections()) {
      this.#refuseFull(socket);
      return;
    }
    this.#accepted++;
    const facts = {
      ip,
      isTrusted: this.#options.isTrusted(ip),
      name: shownClient(ip, socket.remotePort ?? 0),
    };
    const client = new ClientConnection(socket, facts, this, (closed) => {
      this.#clients.delete(closed);
      this.#isFull = false;
      if (this.#clients.size === 0) this.#idleness.reached();
    });
    this.#clients.add(client);
  }

  #refuseFull(socket: Socket): void {
    this.#refused++;
    socket.on('error', () => {});
    socket.resetAndDestroy();
    if (this.#isFull) return;
    this.#isFull = true;
    this.#options.logger.error(
      `${this.#clients.size} HTTP connections are open: further ones are reset (--max-connections, docker run --ulimit nofile=…)`,
      { code: 'ERR_LIMIT' },
    );
  }

  #tick(): void {
    this.#now = performance.now();
    for (const client of this.#clients) client.tick(this.#now);
    this.#ticks++;
    if (this.#ticks % (1000 / tickMs) !== 0) return;
    this.#date = new Date().toUTCString();
    this.#pool.tick(this.#now);
    this.#rate.tick();
    for (const traffic of this.#traffic.values()) traffic.rate.tick();
    if (this.#ticks % (pruneMs / tickMs) === 0) this.#prune();
  }

  #prune(): void {
    for (const [domain, traffic] of this.#traffic) {
      const named = new Set(findApplication(this.#options.table, domain)?.backend.endpoints.map(endpointKey));
      traffic.prune((endpoint) => named.has(endpoint));
    }
  }
}
