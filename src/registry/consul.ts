import { EventEmitter } from 'node:events';
import { type ClientRequest, Agent as HttpAgent, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type Consul from 'consul';
import { formatHostPort } from '../core/address.ts';
import { AppError } from '../core/errors.ts';
import { loadLate } from '../core/load-late.ts';
import type { BlockingQuery, Indexed } from './blocking-query.ts';
import { consulError, statusOf } from './consul-error.ts';

/** How an agent is spoken to; what its `CONSUL_*` variables say (consul-settings.ts). */
export interface ConsulSettings {
  readonly token?: string;
  /** `user:password` of HTTP basic authentication. */
  readonly auth?: string;
  /** Absent = plain HTTP. */
  readonly tls?: ConsulTls;
}

export interface ConsulTls {
  /** PEM; absent = the authorities that Node trusts. */
  readonly ca?: string;
  /** PEM */
  readonly cert?: string;
  /** PEM */
  readonly key?: string;
  /** The name that the certificate must have, where it is not the host that is dialled. */
  readonly serverName?: string;
  /** False accepts any certificate. */
  readonly verify: boolean;
}

/** One key with its value as text. */
export interface KeyValue {
  readonly key: string;
  readonly value: string;
}

/** A service as the agent keeps it. */
export interface AgentService {
  readonly id: string;
  readonly name: string;
  readonly tags: readonly string[];
  readonly meta: Readonly<Record<string, string>>;
  readonly address: string;
  readonly port: number;
}

/** A check that the agent makes by itself; times in Go's spelling: `5s`. */
export type AgentCheck = {
  readonly interval: string;
  readonly timeout: string;
  readonly status: 'passing' | 'critical';
  /** When a service whose check fails is given up, at least `1m`. */
  readonly deregistercriticalserviceafter: string;
} & ({ readonly tcp: string } | { readonly http: string; readonly header: object });

/** How long a call to the agent about its own services may take, ms. */
const agentTimeoutMs = 5000;

/** Longer answers are refused: no set that a descriptor names is as large. */
const maxAnswerBytes = 32 * 1024 * 1024;
/**
 * Silence after which the kernel probes the connection, ms. A question is held open for a minute without a byte; libuv
 * probes ten times, a second apart, so a peer whose packets are lost is noticed after 25 s (uv_tcp_keepalive).
 */
const keepAliveMs = 15_000;

/** The calls as consul 2 has them; its published types know neither `index` and `wait` everywhere nor `ctx`. */
interface ConsulCalls {
  readonly kv: { get(options: object): Promise<unknown> };
  readonly health: { service(options: object): Promise<unknown> };
  readonly agent: {
    readonly service: {
      list(options: object): Promise<unknown>;
      register(options: object): Promise<unknown>;
      deregister(options: object): Promise<unknown>;
    };
  };
  readonly catalog: { readonly service: { list(options: object): Promise<unknown> } };
  /** papi: runs before each request is sent. */
  _ext(event: 'onRequest', run: (request: PapiRequest, next: () => void) => void): void;
}

interface PapiRequest {
  transport: { request(options: object): ClientRequest };
}

/**
 * One agent, over one connection of its own that is kept between the calls. A call fails with ERR_RESOLVE_FAILED, which
 * says where, what, why and what to do; an answer counts as one only where it has a Consul index.
 */
export class ConsulClient {
  /** `host:port` */
  readonly where: string;
  readonly #consul: ConsulCalls;
  readonly #agent: HttpAgent;

  /** Nothing is connected yet. */
  constructor(server: { readonly host: string; readonly port: number }, settings: ConsulSettings = {}) {
    this.where = formatHostPort(server.host, server.port);
    const { token, auth, tls } = settings;
    this.#agent = makeAgent(server.host, tls);
    const options = {
      baseUrl: baseUrl(this.where, tls !== undefined, auth),
      agent: this.#agent,
      defaults: token === undefined ? {} : { token },
      decoders: { 'application/json': decodeList },
    };
    this.#consul = new (loadLate<typeof Consul>('consul'))(options) as unknown as ConsulCalls;
    this.#consul._ext('onRequest', (request, next) => {
      const { transport } = request;
      request.transport = { request: (sent) => guarded(transport.request(sent)) };
      next();
    });
  }

  /**
   * The value at a path and of everything below `path/`, by key; never that of a neighbour whose name begins alike.
   *
   * @param path without a slash at either end
   * @returns    an empty list only where the agent says so and the token may read there
   * @throws AppError ERR_RESOLVE_FAILED
   */
  async tree(path: string, query: BlockingQuery, signal: AbortSignal): Promise<Indexed<readonly KeyValue[]>> {
    const call = `reading the keys at "${path}"`;
    // One question for both: the prefix without the slash has the path itself too, and its neighbours are left out here.
    const answer = await this.#ask(call, query, signal, (options) =>
      this.#consul.kv.get({ ...options, key: path, recurse: true }),
    );
    const items = answer.isAbsent ? [] : this.#list(call, answer.body);
    const pairs = items
      .map((item) => keyValue(item) ?? this.#senseless(call, 'an entry is no key with a value'))
      .filter(({ key }) => key === path || key.startsWith(`${path}/`));
    if (pairs.length === 0) await this.#mayRead(path, query, signal);
    return { index: answer.index, value: pairs };
  }

  /**
   * Every instance of a service, whatever its health: the entries of GET /v1/health/service/<name>, each an object.
   *
   * @param datacenter absent = the agent's own
   * @throws AppError ERR_RESOLVE_FAILED
   */
  async instances(
    service: string,
    datacenter: string | undefined,
    query: BlockingQuery,
    signal: AbortSignal,
  ): Promise<Indexed<readonly object[]>> {
    const call = `reading the instances of "${service}"`;
    const dc = datacenter === undefined ? {} : { dc: datacenter };
    const answer = await this.#ask(call, query, signal, (options) =>
      this.#consul.health.service({ ...options, ...dc, service }),
    );
    return { index: answer.index, value: this.#list(call, answer.body) };
  }

  /**
   * The names of all services of the catalog, with the tags that their instances have.
   *
   * @throws AppError ERR_RESOLVE_FAILED
   */
  async services(
    query: BlockingQuery,
    signal: AbortSignal,
  ): Promise<Indexed<ReadonlyMap<string, readonly string[]>>> {
    const call = 'reading the names of the services';
    const answer = await this.#ask(call, query, signal, (options) =>
      this.#consul.catalog.service.list(options),
    );
    const { body } = answer;
    if (typeof body !== 'object' || body === null || Array.isArray(body)) {
      return this.#senseless(call, 'expected a JSON object');
    }
    const services = Object.entries(body).map(([name, tags]: [string, unknown]) => {
      const texts = Array.isArray(tags) ? tags.filter((tag) => typeof tag === 'string') : [];
      return [name, texts] as const;
    });
    return { index: answer.index, value: new Map(services) };
  }

  /**
   * The services that this agent keeps, whoever has registered them.
   *
   * @throws AppError ERR_RESOLVE_FAILED
   */
  async agentServices(signal: AbortSignal): Promise<readonly AgentService[]> {
    const call = "reading the agent's services";
    const { body } = await this.#send(call, {}, agentTimeoutMs, signal, (options) =>
      this.#consul.agent.service.list(options),
    );
    if (typeof body !== 'object' || body === null || Array.isArray(body)) {
      return this.#senseless(call, 'expected a JSON object');
    }
    return Object.values(body).map(agentService);
  }

  /**
   * Registers a service with the agent, or replaces the one of its id.
   *
   * @throws AppError ERR_RESOLVE_FAILED
   */
  async register(service: AgentService, check: AgentCheck, signal: AbortSignal): Promise<void> {
    await this.#send(
      `registering "${service.id}"`,
      { ...service, check },
      agentTimeoutMs,
      signal,
      (options) => this.#consul.agent.service.register(options),
    );
  }

  /** One that is not there is no failure. @throws AppError ERR_RESOLVE_FAILED */
  async deregister(id: string, signal: AbortSignal): Promise<void> {
    await this.#send(`removing "${id}"`, { id }, agentTimeoutMs, signal, (options) =>
      this.#consul.agent.service.deregister(options),
    );
  }

  /** Closes the connection; a call that is under way fails. May be called twice. */
  close(): void {
    this.#agent.destroy();
  }

  /**
   * A list without what the token may not read looks like an empty one, and a token that was lost must not empty a set.
   * A single key is refused instead (403), so it is asked for; which of the two a policy covers depends on its slash.
   */
  async #mayRead(path: string, query: BlockingQuery, signal: AbortSignal): Promise<void> {
    const single = (key: string) =>
      this.#ask(`reading the key "${key}"`, { ...query, index: 0 }, signal, (options) =>
        this.#consul.kv.get({ ...options, key }),
      );
    try {
      await single(`${path}/`);
    } catch (thrown) {
      if (!(thrown instanceof AppError) || statusOf(thrown.cause) !== 403) throw thrown;
      await single(path);
    }
  }

  async #ask(
    call: string,
    { index, waitMs, timeoutMs }: BlockingQuery,
    signal: AbortSignal,
    run: (options: object) => Promise<unknown>,
  ): Promise<{ index: number; isAbsent: boolean; body: unknown }> {
    const blocking = index === 0 ? {} : { index: `${index}`, wait: `${waitMs}ms` };
    const response = await this.#send(call, blocking, timeoutMs, signal, run);
    const isAbsent = response.statusCode === 404;
    return { index: this.#indexOf(call, response), isAbsent, body: response.body };
  }

  async #send(
    call: string,
    options: object,
    timeoutMs: number,
    signal: AbortSignal,
    run: (options: object) => Promise<unknown>,
  ): Promise<IncomingMessage & { body?: unknown }> {
    const context = Object.assign(new EventEmitter(), { includeResponse: true });
    const cancel = () => context.emit('cancel');
    try {
      signal.throwIfAborted();
      const called = run({ ...options, timeout: timeoutMs, ctx: context });
      signal.addEventListener('abort', cancel, { once: true });
      const [response] = (await called) as [IncomingMessage & { body?: unknown }];
      return response;
    } catch (thrown) {
      throw consulError(thrown, this.where, call, timeoutMs);
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  }

  #indexOf(call: string, response: IncomingMessage): number {
    const header = response.headers['x-consul-index'];
    if (typeof header === 'string' && /^\d{1,15}$/.test(header)) return Number(header);
    const what = header === undefined ? 'no X-Consul-Index' : `the X-Consul-Index "${String(header)}"`;
    return this.#senseless(call, `an answer (HTTP ${response.statusCode}) with ${what}; is that Consul?`);
  }

  #list(call: string, body: unknown): readonly object[] {
    return Array.isArray(body) ? body : this.#senseless(call, 'expected a JSON list');
  }

  #senseless(call: string, what: string): never {
    throw new AppError('ERR_RESOLVE_FAILED', `consul at ${this.where}, ${call}: ${what}`);
  }
}

function makeAgent(host: string, tls: ConsulTls | undefined): HttpAgent {
  // `host` is said here because a URL has an IPv6 address in brackets, which the package would look up as a name.
  const kept = { keepAlive: true, keepAliveMsecs: keepAliveMs, maxSockets: 1, host };
  if (tls === undefined) return new HttpAgent(kept);
  const { ca, cert, key, serverName, verify } = tls;
  const name = serverName === undefined ? {} : { servername: serverName };
  return new HttpsAgent({ ...kept, ca, cert, key, ...name, rejectUnauthorized: verify });
}

function baseUrl(where: string, isSecure: boolean, auth: string | undefined): string {
  const url = new URL(`${isSecure ? 'https' : 'http'}://${where}/v1`);
  const [user = '', ...password] = (auth ?? '').split(':');
  url.username = encodeURIComponent(user);
  url.password = encodeURIComponent(password.join(':'));
  return url.href;
}

/**
 * JSON as the package is given it. It looks into the entries of a list in an event handler, where anything but an object
 * would end the process.
 * @throws Error where the text is no JSON, or a list of anything but objects
 */
function decodeList(body: Buffer): unknown {
  const parsed: unknown = JSON.parse(body.toString('utf8'));
  if (Array.isArray(parsed) && !parsed.every(isPlainEntry)) throw new Error('a list of other than objects');
  return parsed;
}

function isPlainEntry(entry: unknown): boolean {
  return typeof entry === 'object' && entry !== null && !Object.hasOwn(entry, 'hasOwnProperty');
}

/** What is not as expected of a service is empty: it is somebody else's then. */
function agentService(item: unknown): AgentService {
  const fields: Readonly<Record<string, unknown>> =
    typeof item === 'object' && item !== null ? { ...item } : {};
  const text = (value: unknown) => (typeof value === 'string' ? value : '');
  const { Tags: tags, Meta: meta, Port: port } = fields;
  return {
    id: text(fields.ID),
    name: text(fields.Service),
    tags: Array.isArray(tags) ? tags.map(text) : [],
    meta: Object.fromEntries(Object.entries(meta ?? {}).map(([name, value]) => [name, text(value)])),
    address: text(fields.Address),
    port: typeof port === 'number' ? port : 0,
  };
}

function keyValue(item: object): KeyValue | undefined {
  const { Key: key, Value: value } = item as { Key?: unknown; Value?: unknown };
  if (typeof key !== 'string') return undefined;
  if (value === null) return { key, value: '' };
  return typeof value === 'string' ? { key, value } : undefined;
}

/** A request whose answer is cut in its middle, or never ends, fails; the package would wait for its time limit. */
function guarded(request: ClientRequest): ClientRequest {
  request.on('response', (response) => {
    let bytes = 0;
    response.on('error', (error) => request.emit('error', error));
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > maxAnswerBytes)
        response.destroy(new Error(`the answer is longer than ${maxAnswerBytes} bytes`));
    });
  });
  return request;
}
