import { EventEmitter } from 'node:events';
import type { ClientRequest, Agent as HttpAgent, IncomingMessage } from 'node:http';
import type Consul from 'consul';
import { formatHostPort } from '../core/address.ts';
import { AppError } from '../core/errors.ts';
import { http, https, loadLate } from '../core/load-late.ts';
import { consulError } from './consul-error.ts';

export interface ConsulServer {
  readonly host: string;
  readonly port: number;
}

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

/** One connection to an agent, kept between the calls; what is asked over it is consul.ts and consul-agent.ts. */
export class ConsulConnection {
  /** `host:port` */
  readonly where: string;
  readonly calls: ConsulCalls;
  readonly #agent: HttpAgent;

  /** Nothing is connected yet. */
  constructor(server: ConsulServer, settings: ConsulSettings = {}) {
    this.where = formatHostPort(server.host, server.port);
    const { token, auth, tls } = settings;
    this.#agent = makeAgent(server.host, tls);
    const options = {
      baseUrl: baseUrl(this.where, tls !== undefined, auth),
      agent: this.#agent,
      defaults: token === undefined ? {} : { token },
      decoders: { 'application/json': decodeList },
    };
    this.calls = new (loadLate<typeof Consul>('consul'))(options) as unknown as ConsulCalls;
    this.calls._ext('onRequest', (request, next) => {
      const { transport } = request;
      request.transport = { request: (sent) => guarded(transport.request(sent)) };
      next();
    });
  }

  /**
   * One call.
   *
   * @param call in words: `reading the keys at "services/web"`
   * @param run  makes the call with these options, and those that bound it
   * @returns    the answer with its body, whatever its status where the package takes it (2xx, 404 of a key)
   * @throws AppError ERR_RESOLVE_FAILED
   */
  async send(
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

  /** Closes the connection; a call that is under way fails. May be called twice. */
  close(): void {
    this.#agent.destroy();
  }

  /** @throws AppError ERR_RESOLVE_FAILED: always */
  senseless(call: string, what: string): never {
    throw new AppError('ERR_RESOLVE_FAILED', `consul at ${this.where}, ${call}: ${what}`);
  }
}

function makeAgent(host: string, tls: ConsulTls | undefined): HttpAgent {
  // `host` is said here because a URL has an IPv6 address in brackets, which the package would look up as a name.
  const kept = { keepAlive: true, keepAliveMsecs: keepAliveMs, maxSockets: 1, host };
  if (tls === undefined) return new (http().Agent)(kept);
  const { ca, cert, key, serverName, verify } = tls;
  const name = serverName === undefined ? {} : { servername: serverName };
  return new (https().Agent)({ ...kept, ca, cert, key, ...name, rejectUnauthorized: verify });
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
