/**
 * A Docker engine that fails on command: the four API calls that Nuncio makes, on a unix socket of its own.
 *
 *     await using engine = await FakeEngine.listen();
 *     engine.run({ id: idOf(1), name: 'web-1', ip: '10.0.0.5' });   // listed, inspectable, and an event
 *     engine.cutStreams();
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface FakeContainer {
  readonly id: string;
  readonly name: string;
  readonly ip?: string;
  readonly networks?: Readonly<
    Record<string, { NetworkID: string; IPAddress: string; GlobalIPv6Address?: string }>
  >;
  readonly env?: readonly string[];
  readonly paused?: boolean;
  /** Of a process in the container's namespaces. */
  readonly pid?: number;
  /** Absent: no health check. */
  readonly health?: 'starting' | 'healthy' | 'unhealthy';
}

export type Call = 'list' | 'inspect' | 'events' | 'version';
/** `hang`: no answer; `cut`: the connection closed in the middle of the body; a number: that status. */
export type Fault = 'hang' | 'garbage' | 'cut' | number;

/** 64 digits, told apart by the number. */
export function idOf(number: number): string {
  return number.toString(16).padStart(64, '0');
}

function networksOf(container: FakeContainer): object {
  return container.networks ?? { bridge: { NetworkID: 'net-bridge', IPAddress: container.ip ?? '' } };
}

export class FakeEngine {
  readonly path: string;
  readonly containers = new Map<string, FakeContainer>();
  readonly faults = new Map<Call | `inspect ${string}`, Fault>();
  /** Every request, as `list`, `inspect <id>` … in order. */
  readonly calls: string[] = [];
  readonly #folder: string;
  readonly #streams = new Set<ServerResponse>();
  readonly #sockets = new Set<Socket>();
  readonly #gates = new Map<string, Promise<void>>();
  readonly #waiting: { matches: () => boolean; resolve: () => void }[] = [];
  #server: Server;

  private constructor(folder: string) {
    this.#folder = folder;
    this.path = join(folder, 'docker.sock');
    this.#server = this.#create();
  }

  static async listen(): Promise<FakeEngine> {
    const engine = new FakeEngine(await mkdtemp(join(tmpdir(), 'nuncio-engine-')));
    await engine.listen();
    return engine;
  }

  get host(): string {
    return `unix://${this.path}`;
  }

  get openStreams(): number {
    return this.#streams.size;
  }

  get openSockets(): number {
    return this.#sockets.size;
  }

  async listen(): Promise<void> {
    this.#server = this.#create();
    this.#server.listen(this.path);
    await once(this.#server, 'listening');
  }

  /** As when the daemon dies: every connection is cut and the socket refuses. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** Waits until `matches` holds; looks at each request and each closed connection. Fails after 10 s. */
  async until(matches: () => boolean): Promise<void> {
    if (matches()) return;
    await new Promise<void>((resolve, reject) => {
      const waiter = { matches, resolve };
      const limit = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(new Error(`waited 10 s in vain for ${matches}; calls: ${this.calls.join(', ')}`));
      }, 10_000);
      waiter.resolve = () => {
        clearTimeout(limit);
        resolve();
      };
      this.#waiting.push(waiter);
    });
  }

  count(call: string): number {
    return this.calls.filter((made) => made === call || made.startsWith(`${call} `)).length;
  }

  run(container: FakeContainer): void {
    this.containers.set(container.id, container);
    this.emit('container', 'start', container.id);
  }

  die(id: string): void {
    this.containers.delete(id);
    this.emit('container', 'die', id);
  }

  /** Another state of a container, with the event that tells of it. */
  change(id: string, change: Partial<FakeContainer>, action: string): void {
    const container = this.containers.get(id);
    if (container !== undefined) this.containers.set(id, { ...container, ...change });
    this.emit(action.endsWith('connect') ? 'network' : 'container', action, id);
  }

  emit(type: string, action: string, id: string): void {
    const actor =
      type === 'network' ? { ID: 'net', Attributes: { container: id } } : { ID: id, Attributes: {} };
    this.write(`${JSON.stringify({ Type: type, Action: action, Actor: actor })}\n`);
  }

  /** Raw bytes into every open event stream. */
  write(text: string | Buffer): void {
    for (const stream of this.#streams) stream.write(text);
  }

  cutStreams(): void {
    for (const stream of this.#streams) stream.destroy();
  }

  /** Holds the answers of one container's inspections, with the state at the time of the question. @returns opens the gate */
  hold(id: string): () => void {
    const gate = Promise.withResolvers<void>();
    this.#gates.set(id, gate.promise);
    return () => {
      this.#gates.delete(id);
      gate.resolve();
    };
  }

  #create(): Server {
    const server = createServer((request, response) => void this.#answer(request, response));
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        this.#progress();
      });
    });
    return server;
  }

  #progress(): void {
    for (const waiter of [...this.#waiting]) {
      if (!waiter.matches()) continue;
      this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
      waiter.resolve();
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? '', 'http://engine').pathname;
    const id = /^\/containers\/([0-9a-f]+)\/json$/.exec(path)?.[1];
    const names: Record<string, Call> = {
      '/containers/json': 'list',
      '/events': 'events',
      '/version': 'version',
    };
    const call: Call = id === undefined ? (names[path] ?? 'version') : 'inspect';
    // The state at the time of the question, as a slow engine would answer it.
    const body = this.#body(call, id);
    this.calls.push(id === undefined ? call : `inspect ${id}`);
    this.#progress();
    if (id !== undefined) await this.#gates.get(id);

    const fault = (id === undefined ? undefined : this.faults.get(`inspect ${id}`)) ?? this.faults.get(call);
    if (fault === 'hang') return;
    if (typeof fault === 'number') {
      response.writeHead(fault).end('{"message":"made to fail"}');
    } else if (fault === 'garbage') {
      response.end('<html>not an engine</html>');
    } else if (fault === 'cut') {
      response.writeHead(200, { 'content-length': 1_000 });
      response.write('[', () => response.destroy());
    } else if (call === 'events') {
      this.#streams.add(response);
      response.on('close', () => this.#streams.delete(response));
      response.writeHead(200).flushHeaders();
    } else if (body === undefined) {
      response.writeHead(404).end('{"message":"No such container"}');
    } else {
      response.end(JSON.stringify(body));
    }
  }

  #body(call: Call, id: string | undefined): unknown {
    if (call === 'version') return { Version: '99.1', ApiVersion: '1.99' };
    if (call === 'list') {
      return [...this.containers.values()].map((container) => ({
        Id: container.id,
        Names: [`/${container.name}`],
        State: container.paused ? 'paused' : 'running',
        NetworkSettings: { Networks: networksOf(container) },
      }));
    }
    const container = this.containers.get(id ?? '');
    if (container === undefined) return undefined;
    return {
      Id: container.id,
      Name: `/${container.name}`,
      State: {
        Running: true,
        Paused: container.paused === true,
        Restarting: false,
        Dead: false,
        ...(container.pid === undefined ? {} : { Pid: container.pid }),
        ...(container.health === undefined ? {} : { Health: { Status: container.health } }),
      },
      Config: { Env: container.env ?? [], Labels: {} },
      HostConfig: { NetworkMode: 'default' },
      NetworkSettings: { Networks: networksOf(container) },
    };
  }
}
