import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { BackendOptions } from '../../src/backend/backend.ts';
import type { SocketAddress } from '../../src/core/address.ts';
import { type Endpoint, endpoint } from '../../src/core/endpoint.ts';
import type { DataPlane, DataPlaneOptions } from '../../src/proxy/data-plane.ts';
import { type DataPlaneChoice, makeDataPlane } from '../../src/proxy/start.ts';
import { RouteTable, type RouteTarget } from '../../src/route/table.ts';
import { type LogLine, RecordingLogger } from '../support/recording-logger.ts';

export interface BedOptions extends Partial<DataPlaneOptions> {
  readonly backendOptions?: BackendOptions;
}

const toBackend: RouteTarget = { kind: 'backend', backendKey: 'b' };

/** A data plane on a free loopback port, a table with one caller (127.0.0.1) whose port leads to one backend. */
export class Bed implements AsyncDisposable {
  readonly log = new RecordingLogger();
  readonly table = new RouteTable();
  readonly #backendOptions: BackendOptions;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  #proxy: DataPlane | undefined;

  private constructor(backendOptions: BackendOptions) {
    this.#backendOptions = backendOptions;
  }

  static async start(choice: DataPlaneChoice, { backendOptions = {}, ...options }: BedOptions = {}) {
    const bed = new Bed(backendOptions);
    bed.#proxy = await makeDataPlane(
      {
        host: '127.0.0.1',
        port: 0,
        routes: bed.table,
        awaitCaller: async () => false,
        destination: 'own',
        health: { failed() {}, succeeded() {} },
        maxConnections: 1000,
        openFiles: 20_000,
        logger: bed.log,
        ...options,
      },
      choice,
    );
    await bed.#proxy.start();
    bed.setCaller('web-1');
    return bed;
  }

  get proxy(): DataPlane {
    assert.ok(this.#proxy);
    return this.#proxy;
  }

  /** What callers dial. */
  get destination(): SocketAddress {
    assert.ok(this.proxy.address);
    return this.proxy.address;
  }

  /** Where a port leads that the caller dials; absent: the only one that it can. */
  setCaller(name: string, target: RouteTarget = toBackend, port = this.destination.port): void {
    this.table.apply({
      kind: 'caller',
      caller: { id: 'c1', name, addresses: ['127.0.0.1'], routes: new Map([[port, target]]) },
    });
  }

  /** Sets the backend's endpoints; `isResolved: false` leaves it waiting for its first answer. */
  setEndpoints(endpoints: readonly Endpoint[], isResolved = true, ejected: readonly string[] = []): void {
    const backend = {
      key: 'b',
      text: 'redis',
      options: this.#backendOptions,
      isResolved,
      endpoints,
      ejected,
    };
    this.table.apply({ kind: 'backend', backend });
  }

  /** A server on a free loopback port as an endpoint; each connection goes to `onConnection`. */
  async endpoint(onConnection: (socket: Socket) => void, name = 'e'): Promise<Endpoint> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#keep(socket);
      onConnection(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.#servers.push(server);
    return endpoint('127.0.0.1', (server.address() as AddressInfo).port, { name });
  }

  /** A loopback port on which nobody listens. */
  async closedPort(): Promise<Endpoint> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    return endpoint('127.0.0.1', port, { name: 'closed' });
  }

  /** A caller's connection to the proxy. */
  call(): Socket {
    const socket = connect({ host: '127.0.0.1', port: this.destination.port, allowHalfOpen: true });
    this.#keep(socket);
    return socket;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await this.proxy.stop(0);
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
  }
}

/** All that a socket sends until it ends; rejects where it is reset. */
export async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** How a socket ended: 'end' for a FIN, else the error's code. */
export async function ending(socket: Socket): Promise<string> {
  return readAll(socket).then(
    () => 'end',
    (error: NodeJS.ErrnoException) => error.code ?? error.message,
  );
}

/** Begins a bed on the data plane that is tested. */
export type StartBed = (options?: BedOptions) => Promise<Bed>;

export const isConnection = (line: LogLine) => line.message === 'connection';
export const isRefusal = (line: LogLine) => line.message.startsWith('refused');
