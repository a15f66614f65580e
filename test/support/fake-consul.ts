import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A question as the server got it. */
export interface ConsulAsked {
  /** `/v1/kv/foo` */
  readonly path: string;
  readonly query: ReadonlyMap<string, string>;
  readonly headers: IncomingMessage['headers'];
  /** The client's end of the connection. */
  readonly clientPort: number;
}

/** What is sent back; `hang` sends nothing at all, `cut` half an answer. */
export type ConsulReply =
  | 'hang'
  | 'cut'
  | {
      readonly status?: number;
      readonly index?: number | string;
      readonly json?: unknown;
      readonly text?: string;
    };

/** The JSON of GET /v1/kv/<prefix>?recurse. */
export function keyValues(pairs: Readonly<Record<string, string>>): object[] {
  return Object.entries(pairs).map(([Key, text]) => ({ Key, Value: Buffer.from(text).toString('base64') }));
}

/**
 * A Consul in the hands of a test, on a free port of loopback: it answers what the script says, one reply a question.
 *
 *     await using consul = await FakeConsul.start((asked, nth) => ({ index: 5, json: keyValues({ foo: 'a:1' }) }));
 */
export class FakeConsul implements AsyncDisposable {
  readonly asked: ConsulAsked[] = [];
  readonly #server = createServer((request, response) => this.#take(request, response));
  readonly #script: (asked: ConsulAsked, nth: number) => ConsulReply;
  readonly #ip: string;

  private constructor(script: (asked: ConsulAsked, nth: number) => ConsulReply, ip: string) {
    this.#script = script;
    this.#ip = ip;
  }

  /** @param script is told the question and its number, from 0 on */
  static async start(
    script: (asked: ConsulAsked, nth: number) => ConsulReply,
    ip = '127.0.0.1',
  ): Promise<FakeConsul> {
    const fake = new FakeConsul(script, ip);
    fake.#server.listen(0, ip);
    await once(fake.#server, 'listening');
    return fake;
  }

  get address(): { readonly host: string; readonly port: number } {
    return { host: this.#ip, port: (this.#server.address() as AddressInfo).port };
  }

  /** The connections that are open now. */
  async connections(): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
    return promise;
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://consul');
    const asked: ConsulAsked = {
      path: url.pathname,
      query: new Map(url.searchParams),
      headers: request.headers,
      clientPort: request.socket.remotePort ?? 0,
    };
    this.asked.push(asked);
    const reply = this.#script(asked, this.asked.length - 1);
    if (reply === 'hang') return;
    if (reply === 'cut') {
      response.writeHead(200, {
        'Content-Type': 'application/json',
        'Content-Length': 1000,
        'X-Consul-Index': 1,
      });
      response.write('[{', () => response.destroy());
      return;
    }
    const { status = 200, index, json, text } = reply;
    response.writeHead(status, {
      'Content-Type': status === 200 ? 'application/json' : 'text/plain; charset=utf-8',
      ...(index === undefined ? {} : { 'X-Consul-Index': index }),
    });
    response.end(text ?? (json === undefined ? '' : JSON.stringify(json)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}
