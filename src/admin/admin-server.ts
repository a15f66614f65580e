/**
 * The admin server: the status page, the same as JSON and as metrics, and whether the ambassador serves.
 *
 *     const server = new AdminServer({ settings: { port: 8080, password }, board, logger });
 *     await server.start(); // http://[::]:8080/
 *
 *     /         the page; ?q= filters it         /status   JSON
 *     /metrics  Prometheus' text format          /healthz, /readyz   200 or 503, without a password
 *
 * Without a password it listens on loopback only, and answers only requests that were made for a loopback name.
 */
import { setMaxListeners } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { canonicalIp, formatHostPort, type SocketAddress } from '../core/address.ts';
import { AppError, codeOf, messageOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Part } from '../core/part.ts';
import { hasPassword, isLoopbackHost } from './access.ts';
import { type Answer, healthAnswer, plain, statusAnswer } from './answers.ts';
import { type Asset, readAssets } from './assets.ts';
import type { AdminSettings } from './settings.ts';
import type { StatusBoard } from './status-board.ts';

export interface AdminServerOptions {
  /** Port 0 = any free port. */
  readonly settings: AdminSettings;
  readonly board: StatusBoard;
  readonly logger: Logger;
  readonly limits?: Partial<typeof defaultLimits>;
}

const defaultLimits = {
  /** Connections at a time; one more is closed. */
  maxConnections: 64,
  /** Of a request's line and fields together. */
  maxHeaderBytes: 8192,
  /** Until the fields are there. */
  headersMs: 5000,
  /** From the first byte of a request to the last one of its answer. */
  answerMs: 20_000,
  /** A connection between two requests: longer than the page waits. */
  idleMs: 15_000,
  /** Before a wrong password is answered: guessing takes time. */
  refusalMs: 500,
  /** Wrong passwords are logged at most this often. */
  refusalLogMs: 60_000,
};

const securityHeaders = {
  'content-security-policy':
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
} as const;

export class AdminServer implements Part {
  readonly #options: AdminServerOptions;
  readonly #limits: typeof defaultLimits;
  readonly #stop = new AbortController();
  #assets: ReadonlyMap<string, Asset> = new Map();
  #server: Server | undefined;
  #address: SocketAddress | undefined;
  #refusals = 0;
  #refusalsLoggedMs = Number.NEGATIVE_INFINITY;

  constructor(options: AdminServerOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    // Every request with a wrong password listens to this one signal; Node warns above ten.
    setMaxListeners(0, this.#stop.signal);
  }

  /** The bound address; undefined before `start`. */
  get address(): SocketAddress | undefined {
    return this.#address;
  }

  /** @throws AppError ERR_CANNOT_START where the port cannot be listened on */
  async start(): Promise<void> {
    const { settings, logger } = this.#options;
    const { maxConnections, maxHeaderBytes, headersMs, answerMs, idleMs } = this.#limits;
    this.#assets = await readAssets();
    const server = createServer(
      {
        maxHeaderSize: maxHeaderBytes,
        headersTimeout: headersMs,
        requestTimeout: answerMs,
        keepAliveTimeout: idleMs,
        connectionsCheckingInterval: Math.min(1000, headersMs),
      },
      (request, response) => void this.#handle(request, response),
    );
    server.maxConnections = maxConnections;
    server.on('dropRequest', (_request, socket) => socket.destroy());
    this.#address = await listen(server, settings, (error) =>
      logger.warn(`status page: ${error.message}`, { code: codeOf(error) }),
    );
    this.#server = server;
    const { ip, port } = this.#address;
    const access = settings.password === undefined ? ' (loopback only, because no password is set)' : '';
    logger.info(`status page on http://${formatHostPort(ip, port)}/${access}`);
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.#stop.abort();
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A reader that takes its answer a byte at a time would hold it for ever.
    const deadline = setTimeout(() => request.socket.resetAndDestroy(), this.#limits.answerMs);
    response.on('close', () => clearTimeout(deadline));
    let answer: Answer;
    try {
      answer = await this.#answer(request);
    } catch (thrown) {
      this.#options.logger.error(`status page: internal fault: ${messageOf(thrown)}`, {
        code: codeOf(thrown) ?? 'unknown',
      });
      answer = plain(500, 'internal fault; the log has the reason');
    }
    const { status, contentType, body, headers } = answer;
    response.writeHead(status, {
      ...securityHeaders,
      'content-type': contentType,
      'content-length': Buffer.byteLength(body),
      ...headers,
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const { board, settings } = this.#options;
    const url = targetOf(request.url);
    if (url === undefined) return plain(400, 'the request has no path');
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return plain(405, 'only GET and HEAD', { allow: 'GET, HEAD', connection: 'close' });
    }
    const health = healthAnswer(url.pathname, board);
    if (health !== undefined) return health;
    const refusal = await this.#refusal(request, settings.password);
    if (refusal !== undefined) return refusal;
    const asset = this.#assets.get(url.pathname);
    if (asset !== undefined) return { status: 200, ...asset };
    return (
      (await statusAnswer(url, board)) ?? plain(404, 'there is /, /status, /metrics, /healthz and /readyz')
    );
  }

  async #refusal(request: IncomingMessage, password: string | undefined): Promise<Answer | undefined> {
    const { host, authorization } = request.headers;
    if (password === undefined) {
      if (isLoopbackHost(host)) return undefined;
      return plain(
        403,
        'without a password only localhost is answered (--admin-password-file, STATS_PASSWORD)',
      );
    }
    if (hasPassword(authorization, password)) return undefined;
    if (authorization !== undefined) {
      this.#tellRefusal(request.socket.remoteAddress);
      await delay(this.#limits.refusalMs, undefined, { signal: this.#stop.signal }).catch(() => {});
    }
    return plain(401, 'the password, please (any user name)', {
      'www-authenticate': 'Basic realm="Nuncio", charset="UTF-8"',
    });
  }

  #tellRefusal(remoteAddress: string | undefined): void {
    this.#refusals++;
    const nowMs = performance.now();
    if (nowMs - this.#refusalsLoggedMs < this.#limits.refusalLogMs) return;
    this.#refusalsLoggedMs = nowMs;
    const from = canonicalIp(remoteAddress ?? '') ?? 'a client that has gone';
    this.#options.logger.warn(
      `status page: ${this.#refusals} request(s) with a wrong password since the start, the latest from ${from}`,
    );
  }
}

/** The target of a request in origin form; another form is none of ours. */
function targetOf(target = ''): URL | undefined {
  return target.startsWith('/') ? (URL.parse(`http://localhost${target}`) ?? undefined) : undefined;
}

const advice: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process has the port; choose another with --admin-port, or stop that one',
  EACCES: 'ports below 1024 need root or CAP_NET_BIND_SERVICE',
};

function listen(
  server: Server,
  { port, password }: AdminSettings,
  onLateError: (error: Error) => void,
): Promise<SocketAddress> {
  // Without a host, Node listens on [::] for both families, and on 0.0.0.0 where there is no IPv6.
  const host = password === undefined ? '127.0.0.1' : undefined;
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const code = codeOf(error) ?? '';
      const at = formatHostPort(host ?? '::', port);
      const text = `cannot listen on ${at} for the status page: ${code}: ${advice[code] ?? messageOf(error)}`;
      reject(new AppError('ERR_CANNOT_START', text, { cause: error }));
    });
    server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
      server.removeAllListeners('error');
      server.on('error', onLateError);
      const bound = server.address();
      if (bound === null || typeof bound === 'string') {
        throw new TypeError('a TCP server has an address and a port');
      }
      resolve({ ip: bound.address, port: bound.port });
    });
  });
}
