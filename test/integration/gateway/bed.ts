import { once } from 'node:events';
import { createServer as createHttpServer, type Server as HttpServer, request } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Discovery as Registry } from '../../../src/backend/discovery-service.ts';
import { PartStack } from '../../../src/core/part.ts';
import type { ContainerFeed } from '../../../src/docker/feed.ts';
import type { Gateway } from '../../../src/gateway/gateway.ts';
import { type GatewaySettings, startGateway } from '../../../src/gateway/start.ts';
import { RecordingLogger } from '../../support/recording-logger.ts';
import { until } from '../../support/updates.ts';

/** A gateway on a free port, before a real registry. */
export class GatewayBed implements AsyncDisposable {
  readonly log = new RecordingLogger();
  readonly parts = new PartStack();
  gateway!: Gateway;

  static async start(
    registry: Registry,
    settings: Partial<GatewaySettings> = {},
    docker: { feed?: ContainerFeed; selfId?: string; lostMs?: number } = {},
  ): Promise<GatewayBed> {
    const bed = new GatewayBed();
    const all: GatewaySettings = {
      registry,
      httpPort: 0,
      connectTimeoutMs: 500,
      answerMs: 5000,
      checkMs: 1000,
      allowLocalTargets: true,
      trustedProxies: new Set(),
      hasAccessLog: false,
      drainMs: 1000,
      discovery: { dnsServers: [], fileRoots: [], etcd: { timeoutMs: 1000 }, consul: {} },
      ...settings,
    };
    bed.gateway = await startGateway(all, { logger: bed.log, parts: bed.parts, ...docker });
    return bed;
  }

  get port(): number {
    return Number(/:(\d+)$/.exec(this.gateway.status().http.address ?? '')?.[1]);
  }

  /** One request by HTTP. @returns `200 body` */
  async get(host: string, path = '/'): Promise<string> {
    const call = request({
      host: '127.0.0.1',
      port: this.port,
      path,
      headers: { Host: host },
      agent: false,
    }).end();
    const [response] = await once(call, 'response', { signal: AbortSignal.timeout(10_000) });
    return `${response.statusCode} ${await text(response)}`;
  }

  /** Waits until the status is as it should be. */
  async until(fits: (status: ReturnType<Gateway['status']>) => boolean): Promise<void> {
    await until(
      () => fits(this.gateway.status()),
      () => `${fits}, with ${JSON.stringify(this.gateway.status())}`,
    );
  }

  /** Waits until a request is answered so. */
  async answers(host: string, expected: string): Promise<void> {
    await until(async () => (await this.get(host)) === expected, `${host} answers ${expected}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.parts.stop(0);
  }
}

/** Servers that say a word, on loopback. */
export class Words implements AsyncDisposable {
  readonly #servers = new Set<Server | HttpServer>();
  readonly #sockets = new Map<Server | HttpServer, Set<Socket>>();

  /** An application that answers every GET with a word. @param status of its answers to HEAD */
  async http(word: string, status: () => number = () => 200) {
    const server = createHttpServer((received, response) => {
      response.statusCode = received.method === 'HEAD' ? status() : 200;
      response.end(word);
    });
    return await this.#listen(server);
  }

  /** A service that greets with a word and echoes. */
  async tcp(word: string) {
    return await this.#listen(
      createServer((socket) => {
        socket.on('error', () => {});
        socket.write(word);
        socket.pipe(socket);
      }),
    );
  }

  async #listen(server: Server | HttpServer) {
    const sockets = new Set<Socket>();
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.#servers.add(server);
    this.#sockets.set(server, sockets);
    const { port } = server.address() as AddressInfo;
    return { at: `127.0.0.1:${port}`, kill: () => this.#kill(server) };
  }

  /** As a process that is killed: nobody listens, and what was open is reset. */
  async #kill(server: Server | HttpServer): Promise<void> {
    if (!this.#servers.delete(server)) return;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of this.#sockets.get(server) ?? []) socket.resetAndDestroy();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of [...this.#servers]) await this.#kill(server);
  }
}

/** The first bytes that a port says; '' where nobody listens, or the connection is reset. */
export async function greeting(port: number, host = '127.0.0.1'): Promise<string> {
  const socket = connect({ host, port });
  try {
    const [chunk] = (await once(socket, 'data', { signal: AbortSignal.timeout(5000) })) as [Buffer];
    return chunk.toString();
  } catch {
    return '';
  } finally {
    socket.destroy();
  }
}

/** Waits until a port greets so. */
export async function greets(port: number, expected: string, host?: string): Promise<void> {
  await until(
    async () => (await greeting(port, host)) === expected,
    `port ${port} greets with '${expected}'`,
  );
}

/** A port that is free on every address now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '::');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
