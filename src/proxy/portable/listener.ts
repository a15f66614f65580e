import { createServer, type Server, type Socket } from 'node:net';
import type { SocketAddress } from '../../core/address.ts';
import { formatHostPort } from '../../core/address.ts';
import { Backoff } from '../../core/backoff.ts';
import { codeOf, messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import { outOfFilesText } from '../connection-limit.ts';
import { listenOn } from '../listen-address.ts';

export interface ListenerOptions {
  /** `::` listens for both families where IPv6 is there, and for IPv4 alone where it is not. */
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  readonly onConnection: (socket: Socket) => void;
  readonly logger: Logger;
}

const outOfResources = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);

/**
 * A listening socket that survives errors of accept(2). Where the process or the machine has run out of files or
 * buffers it stops listening for a while, 100 ms to 2 s: callers are then refused at once by the kernel, and the
 * connections that are there can end. Sockets are handed over paused and half-open capable.
 *
 * EMFILE and ENFILE seldom come to this: libuv sheds the waiting connections itself, without an error. What keeps the
 * process from that is connection-limit.ts.
 */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #backoff = new Backoff({ initialMs: 100, maxMs: 2000, factor: 2 });
  #server: Server | undefined;
  #reopen: NodeJS.Timeout | undefined;
  #address: SocketAddress | undefined;
  #isClosed = false;

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  /**
   * @returns the bound address
   * @throws AppError ERR_CANNOT_START where the port is taken or may not be bound
   */
  async open(): Promise<SocketAddress> {
    const { host, port } = this.#options;
    this.#address = await listenOn(host, port, (tried) => this.#listen(tried, port));
    return this.#address;
  }

  /** Stops listening; connections that were accepted go on. Safe to call twice. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#reopen);
    this.#server?.close();
    this.#server = undefined;
  }

  #listen(host: string, port: number): Promise<SocketAddress> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true });
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port, backlog: 4096 }, () => {
        server.off('error', reject);
        server.on('error', (error) => this.#onAcceptError(error));
        server.on('connection', (socket) => {
          this.#backoff.reset();
          this.#options.onConnection(socket);
        });
        this.#server = server;
        const bound = server.address();
        if (bound === null || typeof bound === 'string')
          throw new TypeError('a TCP server has an address and a port');
        resolve({ ip: bound.address, port: bound.port });
      });
    });
  }

  #onAcceptError(error: Error): void {
    const code = codeOf(error) ?? 'unknown';
    if (!outOfResources.has(code)) {
      this.#options.logger.debug(`accept: ${error.message}`, { code });
      return;
    }
    if (this.#server === undefined || this.#isClosed) return;
    const pauseMs = this.#backoff.next();
    const what = code === 'EMFILE' ? outOfFilesText : code;
    this.#options.logger.error(`accept: ${what}; no new connections for ${pauseMs} ms`, { code });
    this.#server.close();
    this.#server = undefined;
    this.#reopenIn(pauseMs);
  }

  #reopenIn(ms: number): void {
    this.#reopen = setTimeout(async () => {
      const { ip, port } = this.#address ?? { ip: this.#options.host, port: this.#options.port };
      try {
        await this.#listen(ip, port);
        if (this.#isClosed) this.close();
        else this.#options.logger.info(`accepting again on ${formatHostPort(ip, port)}`);
      } catch (thrown) {
        if (this.#isClosed) return;
        this.#options.logger.error(`cannot listen again: ${messageOf(thrown)}`, { code: codeOf(thrown) });
        this.#reopenIn(this.#backoff.next());
      }
    }, ms);
  }
}
