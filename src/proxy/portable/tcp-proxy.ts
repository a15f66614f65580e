/**
 * The portable data plane, on Node's own sockets. The way of a connection:
 *
 *     listener.ts -> destination.ts -> ../find-route.ts -> ../pickers.ts -> dial.ts -> relay.ts
 *     accept         original dst      caller, route       endpoint         connect    bytes
 *
 *     const proxy = new TcpProxy({ host: '::', port: 10_000, routes, awaitCaller, readDestination, … });
 *     await proxy.start();
 *     await proxy.stop(30_000); // drains
 */
import { setMaxListeners } from 'node:events';
import type { Socket } from 'node:net';
import { canonicalIp, type SocketAddress } from '../../core/address.ts';
import { AppError, codeOf, messageOf } from '../../core/errors.ts';
import { Idleness } from '../../core/idleness.ts';
import { fullText } from '../connection-limit.ts';
import { type DataPlane, type DataPlaneOptions, defaultLimits, type ProxyCounters } from '../data-plane.ts';
import { Pickers } from '../pickers.ts';
import { type EndpointTraffic, Traffic } from '../traffic.ts';
import { type ConnectionOptions, serve } from './connection.ts';
import type { ReadDestination } from './destination.ts';
import { Listener } from './listener.ts';

export interface TcpProxyOptions extends Omit<DataPlaneOptions, 'destination'> {
  readonly readDestination: ReadDestination;
}

export class TcpProxy implements DataPlane {
  readonly #options: TcpProxyOptions;
  readonly #connection: ConnectionOptions;
  readonly #listener: Listener;
  readonly #pickers: Pickers;
  readonly #traffic = new Traffic();
  readonly #cutOff = new AbortController();
  #active = 0;
  #served = 0;
  #refused = 0;
  #accepted = 0;
  #isFull = false;
  readonly #idleness = new Idleness();
  #address: SocketAddress | undefined;

  constructor(options: TcpProxyOptions) {
    this.#options = options;
    // Every connection listens to this one signal; Node warns above ten.
    setMaxListeners(0, this.#cutOff.signal);
    const { routes, awaitCaller, health, logger, limits, host, port } = options;
    this.#pickers = new Pickers(routes);
    this.#connection = {
      ...defaultLimits,
      ...limits,
      routes,
      awaitCaller,
      health,
      logger,
      pickers: this.#pickers,
      traffic: this.#traffic,
    };
    this.#listener = new Listener({ host, port, logger, onConnection: (socket) => this.#accept(socket) });
  }

  readonly kind = 'portable relay';

  get address(): SocketAddress | undefined {
    return this.#address;
  }

  get counters(): ProxyCounters {
    return { active: this.#active, served: this.#served, refused: this.#refused };
  }

  traffic(): readonly EndpointTraffic[] {
    this.#traffic.prune(this.#options.routes);
    return this.#traffic.rows().map((row) => ({ ...row }));
  }

  /** @throws AppError ERR_CANNOT_START where the port cannot be listened on */
  async start(): Promise<void> {
    this.#address = await this.#listener.open();
  }

  async stop(deadlineMs: number): Promise<void> {
    const isIdle = () => this.#active === 0;
    this.#listener.close();
    if (this.#active > 0 && deadlineMs > 0) {
      this.#options.logger.info(`draining ${this.#active} connection(s), at most ${deadlineMs} ms`);
      await this.#idleness.within(deadlineMs, isIdle);
    }
    if (this.#active > 0) {
      this.#options.logger.warn(`cutting off ${this.#active} connection(s)`);
      this.#cutOff.abort();
      await this.#idleness.within(1000, isIdle);
    }
    this.#pickers.stop();
  }

  #accept(socket: Socket): void {
    const callerIp = canonicalIp(socket.remoteAddress ?? '');
    if (callerIp === undefined) {
      // Gone before it could be asked for its address.
      socket.destroy();
      return;
    }
    if (this.#options.own?.has(callerIp)) {
      socket.on('error', () => {});
      socket.destroy();
      return;
    }
    if (this.#active >= this.#options.maxConnections) {
      this.#refuseFull(socket);
      return;
    }
    let destination: SocketAddress;
    try {
      destination = this.#options.readDestination(socket);
    } catch (thrown) {
      this.#refused++;
      socket.resetAndDestroy();
      const code = thrown instanceof AppError ? thrown.errno : codeOf(thrown);
      this.#options.logger.warn(`refused ${callerIp}: original destination: ${messageOf(thrown)}`, {
        caller: callerIp,
        code,
      });
      return;
    }
    const connId = (++this.#accepted).toString(36);
    this.#active++;
    void serve({ socket, connId, callerIp, destination }, this.#connection, this.#cutOff.signal).then(
      (isServed) => {
        if (isServed) this.#served++;
        else this.#refused++;
        this.#active--;
        this.#isFull = false;
        if (this.#active === 0) this.#idleness.reached();
      },
    );
  }

  #refuseFull(socket: Socket): void {
    this.#refused++;
    socket.resetAndDestroy();
    if (this.#isFull) return;
    this.#isFull = true;
    const { maxConnections, logger } = this.#options;
    logger.error(fullText(maxConnections), { code: 'ERR_LIMIT' });
  }
}
