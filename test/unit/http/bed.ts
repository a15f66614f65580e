import { once } from 'node:events';
import { createServer as createHttpServer, type Server as HttpServer, type RequestListener } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { type Endpoint, endpoint } from '../../../src/core/endpoint.ts';
import { httpPort } from '../../../src/http/applications.ts';
import { HttpProxy, type HttpProxyOptions } from '../../../src/http/http-proxy.ts';
import { type HttpLimits, httpLimits } from '../../../src/http/limits.ts';
import { RouteTable } from '../../../src/route/table.ts';
import { RecordingLogger } from '../../support/recording-logger.ts';

export interface HttpBedOptions extends Partial<Omit<HttpProxyOptions, 'limits'>> {
  readonly waits?: Partial<HttpLimits['waits']>;
}

/** An HTTP proxy on a free loopback port, over a table that the test fills. */
export class HttpBed implements AsyncDisposable {
  readonly log = new RecordingLogger();
  readonly table = new RouteTable();
  readonly proxy: HttpProxy;
  readonly health: string[] = [];
  readonly #servers: (Server | HttpServer)[] = [];
  readonly #sockets = new Set<Socket>();

  private constructor({ waits = {}, ...options }: HttpBedOptions) {
    const limits = httpLimits(5000);
    this.proxy = new HttpProxy({
      host: '127.0.0.1',
      port: 0,
      table: this.table,
      health: {
        failed: ({ port }, code) => this.health.push(`${port} ${code}`),
        succeeded: () => {},
      },
      limits: { ...limits, waits: { ...limits.waits, ...waits } },
      connectTimeoutMs: 500,
      maxConnections: () => 1000,
      isTrusted: () => false,
      logger: this.log,
      hasAccessLog: true,
      ...options,
    });
  }

  static async start(options: HttpBedOptions = {}): Promise<HttpBed> {
    const bed = new HttpBed(options);
    await bed.proxy.start();
    return bed;
  }

  get port(): number {
    return this.proxy.address?.port ?? 0;
  }

  /** Leads a domain to endpoints. */
  serve(domain: string, endpoints: readonly Endpoint[], ejected: readonly string[] = []): void {
    const backend = {
      key: domain,
      text: domain,
      options: { balance: 'leastconn' as const },
      isResolved: true,
      endpoints,
      ejected,
    };
    this.table.apply({ kind: 'backend', backend });
    const routes = new Map([[httpPort, { kind: 'backend' as const, backendKey: domain }]]);
    this.table.apply({ kind: 'caller', caller: { id: domain, name: domain, addresses: [], routes } });
  }

  /** An application made with Node's own server. */
  async application(
    listener: RequestListener,
    domain?: string,
  ): Promise<{ server: HttpServer; at: Endpoint }> {
    const server = createHttpServer({ keepAliveTimeout: 60_000 }, listener);
    const at = await this.#listen(server);
    if (domain !== undefined) this.serve(domain, [at]);
    return { server, at };
  }

  /** An endpoint that speaks whatever bytes the test has it speak. */
  async rawEndpoint(onConnection: (socket: Socket) => void, domain?: string): Promise<Endpoint> {
    const server = createServer({ allowHalfOpen: true }, onConnection);
    const at = await this.#listen(server);
    if (domain !== undefined) this.serve(domain, [at]);
    return at;
  }

  /** A loopback port on which nobody listens. */
  async closedPort(): Promise<Endpoint> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    return endpoint('127.0.0.1', port);
  }

  /** A client's connection. */
  connect(): Socket {
    const socket = connect({ host: '127.0.0.1', port: this.port, allowHalfOpen: true });
    this.#keep(socket);
    return socket;
  }

  /** Sends bytes and gives back all that comes until the gateway ends the connection. */
  async raw(request: string | Buffer): Promise<string> {
    const socket = this.connect();
    socket.write(request, 'latin1');
    const answer = await readAll(socket);
    socket.destroy();
    return answer.toString('latin1');
  }

  /** One GET over a connection of its own. */
  get(host: string, path = '/', more = ''): Promise<string> {
    return this.raw(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${more}Connection: close\r\n\r\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await this.proxy.stop(0);
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }

  async #listen(server: Server | HttpServer): Promise<Endpoint> {
    server.on('connection', (socket: Socket) => this.#keep(socket));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.#servers.push(server);
    return endpoint('127.0.0.1', (server.address() as AddressInfo).port);
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
  }
}

/** All that a socket gives until it ends; what came before a reset counts too. */
export async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of socket) chunks.push(chunk as Buffer);
  } catch {
    // A reset: the test looks at what came.
  }
  return Buffer.concat(chunks);
}

/** Reads until a text has come. The test's own time limit bounds the wait. */
export async function readUntil(socket: Socket, end: string): Promise<string> {
  let text = '';
  while (!text.includes(end)) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    text += chunk.toString('latin1');
  }
  return text;
}

/** The status of the first response in a text. */
export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0);
}

/** A body after the first empty line. */
export function bodyOf(answer: string): string {
  return answer.slice(answer.indexOf('\r\n\r\n') + 4);
}
