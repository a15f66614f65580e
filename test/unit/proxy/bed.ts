import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { BackendOptions } from '../../../src/backend/backend.ts';
import { type Endpoint, endpoint } from '../../../src/core/endpoint.ts';
import { TcpProxy, type TcpProxyOptions } from '../../../src/proxy/portable/tcp-proxy.ts';
import { RouteTable } from '../../../src/route/table.ts';
import { RecordingLogger } from '../../support/recording-logger.ts';

export interface BedOptions extends Partial<TcpProxyOptions> {
  readonly backendOptions?: BackendOptions;
}

/** A proxy on a free loopback port, a table with one caller (127.0.0.1) and one backend on port 6379. */
export class Bed implements AsyncDisposable {
  readonly log = new RecordingLogger();
  readonly table = new RouteTable();
  readonly proxy: TcpProxy;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #backendOptions: BackendOptions;

  constructor({ backendOptions = {}, ...options }: BedOptions = {}) {
    this.#backendOptions = backendOptions;
    this.table.apply({
      kind: 'caller',
      caller: {
        id: 'c1',
        name: 'web-1',
        addresses: ['127.0.0.1'],
        routes: new Map([
          [6379, { kind: 'backend', backendKey: 'b' }],
          [7000, { kind: 'refused', code: 'ERR_DESCRIPTOR_SYNTAX', reason: 'column 3: expected a port' }],
        ]),
      },
    });
    this.proxy = new TcpProxy({
      host: '127.0.0.1',
      port: 0,
      routes: this.table,
      awaitCaller: async () => false,
      readDestination: () => ({ ip: '172.17.0.2', port: 6379 }),
      health: { failed() {}, succeeded() {} },
      maxConnections: 1000,
      logger: this.log,
      ...options,
    });
  }

  static async start(options: BedOptions = {}): Promise<Bed> {
    const bed = new Bed(options);
    await bed.proxy.start();
    return bed;
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
    const socket = connect({ host: '127.0.0.1', port: this.proxy.address?.port ?? 0, allowHalfOpen: true });
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
