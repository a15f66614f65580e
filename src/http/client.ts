import type { Socket } from 'node:net';
import { codeOf } from '../core/errors.ts';
import type { Application } from './applications.ts';
import { ChunkedReader } from './chunks.ts';
import { Exchange, type ResponseTarget, type Upstreams } from './exchange.ts';
import { type Fault, fault, forbiddenByte } from './field-lines.ts';
import type { HttpLimits } from './limits.ts';
import { pageResponse } from './pages.ts';
import { type RequestHead, readRequestHead } from './request-head.ts';
import { type ClientFacts, requestText, shownRequest } from './request-text.ts';
import type { ApplicationTraffic } from './traffic.ts';

/** What a client's connection needs of the proxy. */
export interface ClientHost {
  readonly limits: HttpLimits;
  readonly upstreams: Upstreams;
  /** Coarse clock, ms. */
  readonly now: number;
  readonly isDraining: boolean;
  find(
    domain: string,
  ): { readonly application: Application; readonly traffic: ApplicationTraffic } | undefined;
  /** A request begins. */
  onRequest(): void;
  /** The gateway answers itself. */
  onRefused(
    status: number,
    reason: string,
    client: string,
    request: string,
    traffic: ApplicationTraffic | undefined,
  ): void;
  /** A response has been passed on, or broke off. */
  onServed(client: string, request: RequestHead, exchange: Exchange, cut: string | undefined): void;
  /** Date of RFC 9110 5.6.7. */
  readonly date: string;
}

/**
 * What the connection waits for; each has a limit in time.
 * idle: for a request. head: for the rest of a head. body: for the request's body. answer: for the response.
 * down: for more of the response, or for the client to take it. closing: for the client to close. relay: nothing here.
 */
type Phase = 'idle' | 'head' | 'body' | 'answer' | 'down' | 'closing' | 'relay';

const CR = 13;
const LF = 10;
const noBytes = Buffer.alloc(0);
const endedEarly = 'the client ended in the middle of its request';
/** RFC 9112 2.2: empty lines before a request line are ignored; so many. */
const maxEmptyLines = 4;

/**
 * A client's connection: reads requests one after the other, has each exchanged, and writes the answers in their order.
 * Bytes of a request that comes before the last one is answered wait here, at most one read of them: then nothing is read
 * any more.
 */
export class ClientConnection implements ResponseTarget {
  readonly #socket: Socket;
  readonly #host: ClientHost;
  readonly #client: ClientFacts;
  readonly #name: string;
  readonly #onClosed: (connection: ClientConnection) => void;
  #phase: Phase = 'idle';
  #deadline = 0;
  #pending: Buffer = noBytes;
  #scanned = 0;
  #request: RequestHead | undefined;
  #exchange: Exchange | undefined;
  #chunks: ChunkedReader | undefined;
  /** Of the request's body. */
  #left = 0;
  #hasEnded = false;
  #isPumping = false;

  constructor(
    socket: Socket,
    client: ClientFacts & { readonly name: string },
    host: ClientHost,
    onClosed: (connection: ClientConnection) => void,
  ) {
    this.#socket = socket;
    this.#host = host;
    this.#client = client;
    this.#name = client.name;
    this.#onClosed = onClosed;
    this.#wait('idle');
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('error', this.#onError);
    socket.on('close', this.#onClose);
    socket.on('drain', this.#onDrain);
    socket.resume();
  }

  get isDraining(): boolean {
    return this.#host.isDraining;
  }

  /** Ends what has waited for too long. Call it now and then. */
  tick(now: number): void {
    if (now < this.#deadline || this.#phase === 'relay') return;
    switch (this.#phase) {
      case 'idle':
      case 'closing':
        this.#socket.destroy();
        return;
      case 'head':
        this.#refuse(fault(408, 'the head did not arrive in time'));
        return;
      case 'body':
        if (this.#exchange?.isAnswered) this.#cutOff('the body of the request stopped');
        else this.#refuse(fault(408, 'the body did not arrive in time'));
        return;
      case 'answer':
        this.#exchange?.timeOut();
        return;
      case 'down':
        this.#cutOff('the response stopped');
    }
  }

  /** No further request: closes at once where none is under way. */
  drain(): void {
    if (this.#exchange === undefined && this.#phase === 'idle') this.#socket.destroySoon();
  }

  /** Cuts off whatever is under way. */
  destroy(): void {
    this.#exchange?.abort();
    this.#socket.destroy();
  }

  // What the exchange calls.

  write(data: Buffer | string): boolean {
    return typeof data === 'string' ? this.#socket.write(data, 'latin1') : this.#socket.write(data);
  }

  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  onReady(): void {
    if (this.#exchange?.isRequestSent !== false) return;
    this.#socket.resume();
    this.#pump();
  }

  onProgress(): void {
    this.#wait(
      this.#exchange?.isRequestSent === false ? 'body' : this.#exchange?.isAnswered ? 'down' : 'answer',
    );
  }

  onDone(isKept: boolean): void {
    this.#served(undefined);
    if (isKept && !this.#host.isDraining) this.#next();
    else this.#close();
  }

  onFailed(status: number, reason: string): void {
    this.#refuse(fault(status, reason));
  }

  onCut(reason: string): void {
    const isDelimited = this.#request?.isHttp11 === true;
    this.#served(reason);
    // The missing end of the framing shows the client that this was not all; without framing only a reset does.
    if (isDelimited) this.#close();
    else this.#socket.resetAndDestroy();
  }

  detach(): { socket: Socket; rest: Buffer } {
    const rest = this.#pending;
    this.#pending = noBytes;
    this.#wait('relay');
    const socket = this.#socket;
    socket.off('data', this.#onData);
    socket.off('end', this.#onEnd);
    socket.off('error', this.#onError);
    socket.off('drain', this.#onDrain);
    return { socket, rest };
  }

  onRelayed(): void {
    this.#served(undefined);
  }

  // What the socket tells.

  #onData = (chunk: Buffer): void => {
    if (this.#phase === 'closing') return;
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    this.#pump();
  };

  #onEnd = (): void => {
    this.#hasEnded = true;
    const exchange = this.#exchange;
    if (exchange === undefined) this.#close();
    else if (!exchange.isRequestSent && this.#pending.length === 0) {
      this.#cutOff(endedEarly);
    }
  };

  #onError = (error: Error): void => {
    if (this.#exchange !== undefined) this.#gone(codeOf(error) ?? 'unknown');
  };

  #onClose = (): void => {
    if (this.#exchange !== undefined && this.#phase !== 'relay') this.#gone('the client has gone');
    this.#onClosed(this);
  };

  #onDrain = (): void => {
    this.#exchange?.clientDrained();
    if (this.#phase === 'down') this.#wait('down');
  };

  /** Takes from what has been read as much as can be taken now. */
  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    while (this.#pending.length > 0 && this.#take());
    this.#isPumping = false;
    // What cannot be taken now is what the client must wait with.
    if (this.#exchange === undefined) return;
    if (this.#pending.length > 0) this.#socket.pause();
    else if (this.#hasEnded && !this.#exchange.isRequestSent) this.#cutOff(endedEarly);
  }

  /** @returns whether more may be taken */
  #take(): boolean {
    if (this.#phase === 'closing' || this.#phase === 'relay') return false;
    const exchange = this.#exchange;
    if (exchange === undefined) return this.#takeHead();
    if (exchange.isRequestSent || !exchange.isReady) return false;
    return this.#takeBody(exchange);
  }

  #takeHead(): boolean {
    const { maxHead } = this.#host.limits;
    if (this.#scanned === 0) this.#skipEmptyLines();
    const bytes = this.#pending;
    // A CR alone may become an empty line.
    if (bytes.length === 0 || (bytes.length === 1 && bytes[0] === CR)) return false;
    const end = bytes.indexOf('\r\n\r\n', Math.max(0, this.#scanned - 3), 'latin1');
    const isLong = end === -1 ? bytes.length > maxHead : end > maxHead;
    // Only what is new is looked at, so that a head in many pieces costs no more than one in one piece; with the last
    // byte from before, and the CR before that where it is an LF.
    const before = Math.max(0, this.#scanned - 1);
    const from = bytes[before] === LF && before > 0 ? before - 1 : before;
    const fresh = bytes.toString('latin1', from, end === -1 ? Math.min(bytes.length, maxHead) : end);
    const byte = forbiddenByte(fresh);
    if (byte !== undefined) return this.#refuse(fault(400, byte));
    if (isLong) return this.#refuse(fault(431, `a head of more than ${maxHead} bytes`));
    if (end === -1) {
      this.#scanned = bytes.length;
      if (this.#phase !== 'head') this.#wait('head');
      return false;
    }
    const text = this.#scanned === 0 ? fresh : bytes.toString('latin1', 0, end);
    this.#scanned = 0;
    this.#pending = bytes.length === end + 4 ? noBytes : bytes.subarray(end + 4);
    const request = readRequestHead(text);
    if (request.kind === 'fault') return this.#refuse(request);
    this.#begin(request);
    return true;
  }

  #skipEmptyLines(): void {
    for (let lines = 0; lines < maxEmptyLines; lines++) {
      if (this.#pending[0] !== CR || this.#pending[1] !== LF) return;
      this.#pending = this.#pending.subarray(2);
    }
  }

  #begin(request: RequestHead): void {
    const { framing } = request;
    this.#request = request;
    this.#host.onRequest();
    const found = this.#host.find(request.domain);
    if (found === undefined) {
      this.#refuse(fault(404, `no application has the domain ${request.domain}`));
      return;
    }
    this.#left = framing.kind === 'length' ? framing.bytes : 0;
    this.#chunks = framing.kind === 'chunked' ? new ChunkedReader(400) : undefined;
    const text = requestText(request, this.#client);
    const { application, traffic } = found;
    const exchange = new Exchange(request, text, application, traffic, this.#host.upstreams, this);
    this.#exchange = exchange;
    this.onProgress();
    exchange.start();
  }

  #takeBody(exchange: Exchange): boolean {
    const bytes = this.#pending;
    this.#wait('body');
    if (this.#chunks !== undefined) return this.#takeChunks(exchange, this.#chunks, bytes);
    const data = bytes.length > this.#left ? bytes.subarray(0, this.#left) : bytes;
    this.#pending = bytes.subarray(data.length);
    this.#left -= data.length;
    const isFlowing = exchange.sendBody(data);
    if (this.#left === 0) this.#endBody(exchange, '');
    else this.#flow(isFlowing);
    return true;
  }

  #takeChunks(exchange: Exchange, chunks: ChunkedReader, bytes: Buffer): boolean {
    const part = chunks.read(bytes);
    if ('kind' in part) return this.#refuse(part);
    this.#pending = bytes.subarray(part.used);
    let isFlowing = true;
    for (const data of part.data) isFlowing = exchange.sendBody(data);
    if (part.isEnd) this.#endBody(exchange, chunks.trailers);
    else this.#flow(isFlowing);
    return true;
  }

  #endBody(exchange: Exchange, trailers: string): void {
    exchange.endBody(trailers);
    if (this.#exchange === exchange) this.onProgress();
    this.#socket.resume();
  }

  #flow(isFlowing: boolean): void {
    if (isFlowing) this.#socket.resume();
    else this.#socket.pause();
  }

  /** Answers by a page of the gateway's own. @returns false: nothing more is taken at once */
  #refuse({ status, reason }: Fault): false {
    const request = this.#request;
    const exchange = this.#exchange;
    const isAnswered = exchange?.isAnswered === true;
    exchange?.abort();
    this.#exchange = undefined;
    this.#request = undefined;
    const shown = request === undefined ? '' : shownRequest(request);
    this.#host.onRefused(status, reason, this.#name, shown, exchange?.traffic);
    if (isAnswered) {
      this.#socket.destroy();
      return false;
    }
    // Only a request that was read to its end leaves the connection in step.
    const isWhole = request?.framing.kind === 'none' && status !== 400;
    const isKept = isWhole && request.isKept && !this.#host.isDraining;
    this.write(pageResponse(status, request?.method === 'HEAD', isKept, this.#host.date));
    this.#wait('idle');
    if (!isKept) this.#close();
    // Not from here: a thousand pipelined requests must not become a thousand frames of the stack.
    else queueMicrotask(() => this.#next());
    return false;
  }

  /** Goes on with the next request: one that has come already, or one that is still to come. */
  #next(): void {
    if (this.#exchange !== undefined || this.#phase === 'closing') return;
    this.#wait('idle');
    this.#socket.resume();
    if (this.#pending.length > 0) this.#pump();
    if (this.#hasEnded && this.#exchange === undefined) this.#close();
  }

  /** The client has gone, or is made to go: nothing can be told any more. */
  #cutOff(reason: string): void {
    this.#gone(reason);
    this.#socket.destroy();
  }

  #gone(reason: string): void {
    this.#exchange?.abort();
    this.#served(reason);
  }

  #served(cut: string | undefined): void {
    const exchange = this.#exchange;
    const request = this.#request;
    this.#exchange = undefined;
    this.#request = undefined;
    this.#chunks = undefined;
    if (exchange !== undefined && request !== undefined) {
      this.#host.onServed(this.#name, request, exchange, cut);
    }
  }

  /**
   * Ends this side and waits for the client's: a socket that is closed with bytes unread is reset, and the reset may
   * overtake the answer (RFC 9112 9.6).
   */
  #close(): void {
    this.#pending = noBytes;
    if (this.#socket.destroyed || this.#phase === 'closing') return;
    // As long as a slow client still takes the answer, it has the time of an answer.
    this.#wait('down');
    this.#phase = 'closing';
    this.#socket.end(() => this.#wait('closing'));
    this.#socket.resume();
  }

  #wait(phase: Phase): void {
    this.#phase = phase;
    this.#deadline = this.#host.now + this.#host.limits.waits[phase];
  }
}
