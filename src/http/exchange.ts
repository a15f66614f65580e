import type { Socket } from 'node:net';
import { type Endpoint, endpointKey } from '../core/endpoint.ts';
import type { Result } from '../core/result.ts';
import { defaultLimits } from '../proxy/data-plane.ts';
import { relay } from '../proxy/portable/relay.ts';
import type { Application } from './applications.ts';
import { chunkHead } from './chunks.ts';
import type { RequestHead } from './request-head.ts';
import type { ResponseHead } from './response-head.ts';
import type { ApplicationTraffic, Traffic } from './traffic.ts';
import type { ResponseSink, UpstreamConnection } from './upstream.ts';

/** What an exchange needs of the proxy. */
export interface Upstreams {
  /** The next endpoint of an application, without those tried; undefined where none is left. */
  pick(application: Application, tried: ReadonlySet<Endpoint>): Endpoint | undefined;
  /** A kept-alive connection. @param isRepeatable whether it does no harm where it turns out to be dead */
  idle(endpoint: Endpoint, isRepeatable: boolean): UpstreamConnection | undefined;
  /** A new connection; counted into the endpoint's health. Never rejects. */
  dial(
    endpoint: Endpoint,
    application: Application,
    signal: AbortSignal,
  ): Promise<Result<UpstreamConnection>>;
  /** Takes a connection back whose response has been read to its end. */
  release(connection: UpstreamConnection): void;
  /** Counts a request to an endpoint in; the function that comes back counts it out. */
  begin(endpoint: Endpoint): () => void;
}

/** What an exchange needs of the client's connection. */
export interface ResponseTarget {
  /** @returns false where the client does not keep up; `clientDrained` tells when it has */
  write(data: Buffer | string): boolean;
  cork(): void;
  uncork(): void;
  /** The endpoint can take the body of the request now. */
  onReady(): void;
  /** @param isKept whether the connection may carry another request */
  onDone(isKept: boolean): void;
  /** There will be no response of an endpoint: the gateway's own page, where nothing has been sent yet. */
  onFailed(status: number, reason: string): void;
  /** The response broke off in its middle. */
  onCut(reason: string): void;
  /** Bytes have come from the endpoint. */
  onProgress(): void;
  /** The connection changes to another protocol. @returns the socket, and what the client has sent ahead */
  detach(): { socket: Socket; rest: Buffer };
  /** The relay of the other protocol has ended, and with it the connection. */
  onRelayed(): void;
  /** Whether the gateway would have the client come back over a new connection. */
  readonly isDraining: boolean;
}

/** Repeating these does no harm (RFC 9110 9.2.2). */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);
const nobody: ReadonlySet<Endpoint> = new Set();
/** Connections that an endpoint had closed, for one request; then a new one. */
const maxStale = 2;
/** Data up to this is sent in one write with what goes before it, bytes. */
const smallData = 16_384;

/**
 * One request and its response. The way: choose an endpoint, connect, send, pass the answer on. As long as no byte of an
 * answer has come, a request that can be repeated goes to another endpoint; one whose endpoint does not accept always does.
 */
export class Exchange implements ResponseSink {
  readonly #request: RequestHead;
  readonly #application: Application;
  readonly #head: string;
  readonly #upstreams: Upstreams;
  readonly #target: ResponseTarget;
  readonly #traffic: ApplicationTraffic;
  /** Made when they are needed: most requests need none of them. */
  #tried: Set<Endpoint> | undefined;
  #failures: string[] | undefined;
  #end: AbortController | undefined;
  readonly #isRepeatable: boolean;
  #endpoint = '';
  #stale = 0;
  #connection: UpstreamConnection | undefined;
  #endpointTraffic: Traffic | undefined;
  #release: (() => void) | undefined;
  /** The final response's head. */
  #response: ResponseHead | undefined;
  /** Of the response, still to be written, so that it goes out with the first data. */
  #unsent = '';
  #isChunked = false;
  #isKept = false;
  #isRequestSent: boolean;
  #isOver = false;

  /** @param head the request as it is sent to the endpoint */
  constructor(
    request: RequestHead,
    head: string,
    application: Application,
    traffic: ApplicationTraffic,
    upstreams: Upstreams,
    target: ResponseTarget,
  ) {
    this.#request = request;
    this.#head = head;
    this.#application = application;
    this.#traffic = traffic;
    this.#upstreams = upstreams;
    this.#target = target;
    this.#isRequestSent = request.framing.kind === 'none';
    this.#isRepeatable =
      this.#isRequestSent && idempotent.has(request.method) && request.upgrade === undefined;
    traffic.active++;
  }

  /** Whether the body of the request can be sent now. */
  get isReady(): boolean {
    return this.#connection !== undefined && !this.#isOver;
  }

  get isAnswered(): boolean {
    return this.#response !== undefined;
  }

  get isRequestSent(): boolean {
    return this.#isRequestSent;
  }

  get traffic(): ApplicationTraffic {
    return this.#traffic;
  }

  /** The endpoint that has, or had, the request. */
  get endpoint(): string {
    return this.#endpoint;
  }

  /** What became of it, for the log. */
  get outcome(): { readonly endpoint: string; readonly status: number } {
    return { endpoint: this.#endpoint, status: this.#response?.status ?? 0 };
  }

  start(): void {
    this.#attempt();
  }

  /** @returns false where the endpoint does not keep up */
  sendBody(data: Buffer): boolean {
    const connection = this.#connection;
    if (connection === undefined) return true;
    this.#count('bytesUp', data.length);
    if (this.#request.framing.kind !== 'chunked') return connection.write(data);
    if (data.length <= smallData)
      return connection.write(`${chunkHead(data.length)}${data.toString('latin1')}\r\n`);
    connection.write(chunkHead(data.length));
    connection.write(data);
    return connection.write('\r\n');
  }

  endBody(trailers: string): void {
    this.#isRequestSent = true;
    if (this.#request.framing.kind === 'chunked') this.#connection?.write(`0\r\n${trailers}\r\n`);
  }

  clientDrained(): void {
    this.#connection?.resume();
  }

  /** Ends it without a word to the target: the client has gone, or has waited for too long. */
  abort(): void {
    if (this.#isOver) return;
    this.#end?.abort();
    this.#connection?.discard();
    this.#finish();
  }

  /** The endpoint has taken too long. */
  timeOut(): void {
    this.#endpointFailed();
    const reason = `${this.endpoint} did not answer in time`;
    this.abort();
    this.#target.onFailed(504, reason);
  }

  #attempt(isFresh = false): void {
    const endpoint = this.#upstreams.pick(this.#application, this.#tried ?? nobody);
    if (endpoint === undefined) {
      this.#giveUp();
      return;
    }
    const idle =
      isFresh || this.#request.upgrade !== undefined
        ? undefined
        : this.#upstreams.idle(endpoint, this.#isRepeatable);
    this.#release = this.#upstreams.begin(endpoint);
    if (idle !== undefined) this.#use(idle);
    else void this.#dial(endpoint);
  }

  async #dial(endpoint: Endpoint): Promise<void> {
    this.#end ??= new AbortController();
    const dialled = await this.#upstreams.dial(endpoint, this.#application, this.#end.signal);
    if (this.#isOver) {
      if (dialled.ok) dialled.value.discard();
      return;
    }
    if (dialled.ok) {
      this.#use(dialled.value);
      return;
    }
    this.#release?.();
    this.#failed(endpoint, dialled.error.message);
    this.#traffic.of(endpointKey(endpoint)).failures++;
    this.#attempt();
  }

  #giveUp(): void {
    const none = this.#tried === undefined;
    const problem = this.#application.backend.problem;
    const why = none ? 'the application has no endpoint' : this.#failureText();
    if (!none) this.#traffic.failures++;
    this.#finish();
    this.#target.onFailed(503, problem === undefined ? why : `${why} (${problem})`);
  }

  #use(connection: UpstreamConnection): void {
    this.#connection = connection;
    this.#endpoint = connection.key;
    this.#endpointTraffic = this.#traffic.of(connection.key);
    this.#endpointTraffic.active++;
    this.#count('bytesUp', this.#head.length);
    connection.send(this.#head, this.#request.method, this);
    if (!this.#isRequestSent) this.#target.onReady();
  }

  onHead(head: ResponseHead): void {
    this.#target.onProgress();
    if (head.status === 101) this.#changeProtocol(head);
    else if (head.status < 200) this.#passInterim(head);
    else this.#beginResponse(head);
  }

  onData(data: Buffer): void {
    this.#count('bytesDown', data.length);
    const begin = this.#isChunked ? this.#unsent + chunkHead(data.length) : this.#unsent;
    this.#unsent = '';
    if (data.length <= smallData && begin !== '') {
      this.#unsent = begin + data.toString('latin1') + (this.#isChunked ? '\r\n' : '');
      return;
    }
    this.#target.cork();
    if (begin !== '') this.#target.write(begin);
    let isFlowing = this.#target.write(data);
    if (this.#isChunked) isFlowing = this.#target.write('\r\n');
    this.#target.uncork();
    if (!isFlowing) this.#connection?.pause();
  }

  onPause(): void {
    this.#target.onProgress();
    if (!this.#flush()) this.#connection?.pause();
  }

  onEnd(trailers: string): void {
    if (this.#isChunked) this.#unsent += `0\r\n${trailers}\r\n`;
    this.#flush();
    const connection = this.#connection;
    const isKept = this.#isKept && this.#isRequestSent;
    this.#finish();
    if (connection !== undefined) {
      if (this.#isRequestSent) this.#upstreams.release(connection);
      else connection.discard();
    }
    this.#target.onDone(isKept);
  }

  onBroken(code: string, reason: string): void {
    const connection = this.#connection;
    if (connection === undefined || this.#isOver) return;
    if (this.#response !== undefined) {
      this.#endpointFailed();
      this.#flush();
      this.#finish();
      this.#target.onCut(`${connection.key} ${code}: ${reason}`);
      return;
    }
    this.#leave();
    const mayRepeat = this.#isRepeatable && !connection.hasAnswered;
    if (mayRepeat && connection.isReused) {
      // The endpoint closed it while it was idle, and the news had not come yet.
      this.#stale++;
      this.#attempt(this.#stale >= maxStale);
      return;
    }
    this.#traffic.of(connection.key).failures++;
    const tried = this.#failed(connection.endpoint, `${connection.key} ${code}: ${reason}`);
    if (mayRepeat && this.#upstreams.pick(this.#application, tried) !== undefined) {
      this.#attempt();
      return;
    }
    this.#traffic.failures++;
    this.#finish();
    this.#target.onFailed(502, this.#failureText());
  }

  onDrain(): void {
    this.#target.onReady();
  }

  #passInterim(head: ResponseHead): void {
    // An HTTP/1.0 client would take it for the response (RFC 9110 15.2).
    if (!this.#request.isHttp11) return;
    this.#target.write(`HTTP/1.1 ${head.status} ${head.reason}\r\n${head.fields}\r\n`);
  }

  #beginResponse(head: ResponseHead): void {
    const { isHttp11, method } = this.#request;
    this.#response = head;
    this.#traffic.served++;
    this.#traffic.answered(head.status);
    if (this.#endpointTraffic !== undefined) this.#endpointTraffic.served++;
    const { kind } = head.framing;
    const isDelimited = kind !== 'until-close' && kind !== 'chunked';
    this.#isChunked = isHttp11 && !isDelimited;
    this.#isKept =
      this.#request.isKept &&
      // An error before the end of a body means that the rest of it is not wanted.
      (this.#isRequestSent || head.status < 400) &&
      !this.#target.isDraining &&
      (isDelimited || this.#isChunked);
    let framing = '';
    if (this.#isChunked) framing = 'Transfer-Encoding: chunked\r\n';
    else if (
      head.length !== undefined &&
      head.status >= 200 &&
      head.status !== 204 &&
      (isDelimited || method === 'HEAD')
    ) {
      framing = `Content-Length: ${head.length}\r\n`;
    }
    // An HTTP/1.1 client takes a connection for kept unless told otherwise.
    const connection = this.#isKept
      ? isHttp11
        ? ''
        : 'Connection: keep-alive\r\n'
      : 'Connection: close\r\n';
    this.#unsent = `HTTP/1.1 ${head.status} ${head.reason}\r\n${head.fields}${framing}${connection}\r\n`;
    this.#count('bytesDown', this.#unsent.length);
  }

  #changeProtocol(head: ResponseHead): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    if (this.#request.upgrade === undefined || head.upgrade === undefined) {
      connection.discard();
      this.onBroken('EPROTO', 'it changed to another protocol unasked');
      return;
    }
    this.#response = head;
    this.#traffic.served++;
    this.#traffic.answered(101);
    if (this.#endpointTraffic !== undefined) this.#endpointTraffic.served++;
    const upstream = connection.detach();
    const client = this.#target.detach();
    const text = `HTTP/1.1 101 ${head.reason}\r\n${head.fields}Connection: Upgrade\r\nUpgrade: ${head.upgrade}\r\n\r\n`;
    client.socket.write(text, 'latin1');
    if (upstream.rest.length > 0) client.socket.write(upstream.rest);
    if (client.rest.length > 0) upstream.socket.write(client.rest);
    const { halfClosedMs } = defaultLimits;
    const tally = this.#tally();
    this.#end ??= new AbortController();
    void relay(client.socket, upstream.socket, { halfClosedMs, tally, signal: this.#end.signal }).then(() => {
      this.#finish();
      this.#target.onRelayed();
    });
  }

  /** What a relay adds its bytes to, as they pass. */
  #tally(): { bytesUp: number; bytesDown: number } {
    const count = (what: 'bytesUp' | 'bytesDown', bytes: number) => this.#count(what, bytes);
    let [up, down] = [0, 0];
    return {
      get bytesUp() {
        return up;
      },
      set bytesUp(total) {
        count('bytesUp', total - up);
        up = total;
      },
      get bytesDown() {
        return down;
      },
      set bytesDown(total) {
        count('bytesDown', total - down);
        down = total;
      },
    };
  }

  /** @returns false where the client does not keep up */
  #flush(): boolean {
    if (this.#unsent === '') return true;
    const text = this.#unsent;
    this.#unsent = '';
    return this.#target.write(text);
  }

  #count(what: 'bytesUp' | 'bytesDown', bytes: number): void {
    this.#traffic[what] += bytes;
    if (this.#endpointTraffic !== undefined) this.#endpointTraffic[what] += bytes;
  }

  #endpointFailed(): void {
    this.#traffic.failures++;
    if (this.#endpointTraffic !== undefined) this.#endpointTraffic.failures++;
  }

  /** Leaves an endpoint out for the rest of this request. @returns all that are left out */
  #failed(endpoint: Endpoint, failure: string): ReadonlySet<Endpoint> {
    this.#tried ??= new Set();
    this.#failures ??= [];
    this.#failures.push(failure);
    return this.#tried.add(endpoint);
  }

  #failureText(): string {
    return (this.#failures ?? []).slice(0, 8).join(', ');
  }

  /** Lets go of the endpoint that has the request. */
  #leave(): void {
    if (this.#endpointTraffic !== undefined) this.#endpointTraffic.active--;
    this.#endpointTraffic = undefined;
    this.#connection = undefined;
    this.#release?.();
    this.#release = undefined;
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#leave();
    this.#traffic.active--;
  }
}
