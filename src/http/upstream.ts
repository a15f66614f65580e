import type { Socket } from 'node:net';
import type { Endpoint } from '../core/endpoint.ts';
import { endpointKey } from '../core/endpoint.ts';
import { codeOf } from '../core/errors.ts';
import { ChunkedReader } from './chunks.ts';
import { type Fault, forbiddenByte, fault as makeFault } from './field-lines.ts';
import { type ResponseHead, readResponseHead } from './response-head.ts';

/** Who is told of a response. Nothing is called after `onEnd` or `onBroken`. */
export interface ResponseSink {
  /** Also for interim responses (1xx); the last head is the response's. */
  onHead(head: ResponseHead): void;
  /** Data of the body without its framing. The bytes are the sink's. */
  onData(data: Buffer): void;
  /** All that came with one read has been told. */
  onPause(): void;
  /** @param trailers field lines, `Name: value\r\n` each */
  onEnd(trailers: string): void;
  /** @param code "ECONNRESET", "EPROTO" for an answer that is not valid HTTP */
  onBroken(code: string, reason: string): void;
  /** More can be written. */
  onDrain(): void;
}

/** A response's head may be as long, bytes. */
const maxHead = 65_536;
const noBytes = Buffer.alloc(0);

/**
 * One connection to an endpoint, for one request after the other. It is the one owner of its socket until `detach`.
 */
export class UpstreamConnection {
  readonly endpoint: Endpoint;
  readonly key: string;
  readonly #socket: Socket;
  readonly #onGone: (connection: UpstreamConnection) => void;
  #sink: ResponseSink | undefined;
  #method = '';
  #pending: Buffer = noBytes;
  #scanned = 0;
  /** Undefined: the head is still to come. */
  #head: ResponseHead | undefined;
  #chunks: ChunkedReader | undefined;
  #left = 0;
  #requests = 0;
  #hasAnswered = false;
  #isReusable = true;
  /** Until when the endpoint may be counted on to keep an idle connection, and when it became idle; coarse ms. */
  idleSince = 0;
  idleLimitMs = Number.POSITIVE_INFINITY;

  /** @param onGone told once, when the socket has closed */
  constructor(socket: Socket, endpoint: Endpoint, onGone: (connection: UpstreamConnection) => void) {
    this.endpoint = endpoint;
    this.key = endpointKey(endpoint);
    this.#socket = socket;
    this.#onGone = onGone;
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('error', this.#onError);
    socket.on('close', this.#onClose);
    socket.on('drain', this.#onDrain);
    socket.resume();
  }

  /** Whether an earlier request has used it. */
  get isReused(): boolean {
    return this.#requests > 1;
  }

  /** Whether a byte of the response to the last request has come. */
  get hasAnswered(): boolean {
    return this.#hasAnswered;
  }

  /** Whether the next request may be sent on it. */
  get isReusable(): boolean {
    return this.#isReusable && this.#sink === undefined && !this.#socket.destroyed;
  }

  /** Begins a request. @param head with its empty line, as latin1 */
  send(head: string, method: string, sink: ResponseSink): void {
    this.#sink = sink;
    this.#method = method;
    this.#head = undefined;
    this.#hasAnswered = false;
    this.#requests++;
    this.#socket.write(head, 'latin1');
  }

  /** @returns false where the endpoint does not keep up; `onDrain` tells when it has */
  write(data: Buffer | string): boolean {
    return typeof data === 'string' ? this.#socket.write(data, 'latin1') : this.#socket.write(data);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** It must not be used for another request: the response will not be read to its end, or the request not be sent so far. */
  discard(): void {
    this.#sink = undefined;
    this.#isReusable = false;
    this.#socket.destroy();
  }

  /** Hands the socket over, after a 101. @returns it, and what it has sent since */
  detach(): { socket: Socket; rest: Buffer } {
    const rest = this.#pending;
    this.#sink = undefined;
    this.#isReusable = false;
    this.#pending = noBytes;
    const socket = this.#socket;
    socket.pause();
    socket.off('data', this.#onData);
    socket.off('end', this.#onEnd);
    socket.off('error', this.#onError);
    socket.off('drain', this.#onDrain);
    return { socket, rest };
  }

  #onData = (chunk: Buffer): void => {
    const sink = this.#sink;
    if (sink === undefined) {
      // Nobody has asked for anything: whatever this is, the connection is out of step.
      this.discard();
      return;
    }
    this.#hasAnswered = true;
    let rest = chunk;
    if (this.#head === undefined) {
      const after = this.#takeHeads(chunk, sink);
      if (after === undefined) {
        this.#sink?.onPause();
        return;
      }
      rest = after;
    }
    if (this.#sink !== undefined) this.#takeBody(rest, sink);
    this.#sink?.onPause();
  };

  /** @returns what follows the head of the final response; undefined before it is whole, or where this is over */
  #takeHeads(chunk: Buffer, sink: ResponseSink): Buffer | undefined {
    let bytes = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    this.#pending = noBytes;
    for (;;) {
      const end = bytes.indexOf('\r\n\r\n', Math.max(0, this.#scanned - 3), 'latin1');
      if (end > maxHead || (end === -1 && bytes.length > maxHead)) {
        return this.#broken(makeFault(502, `a head of more than ${maxHead} bytes`));
      }
      const text = bytes.toString('latin1', 0, end === -1 ? bytes.length : end);
      const byte = forbiddenByte(text);
      if (byte !== undefined) return this.#broken(makeFault(502, byte));
      if (end === -1) {
        this.#pending = bytes;
        this.#scanned = bytes.length;
        return undefined;
      }
      this.#scanned = 0;
      const head = readResponseHead(text, this.#method);
      if (head.kind === 'fault') return this.#broken(head);
      bytes = bytes.subarray(end + 4);
      if (head.status >= 200 || head.status === 101) {
        this.#begin(head, bytes);
        sink.onHead(head);
        return this.#sink === undefined || head.status === 101 ? undefined : bytes;
      }
      sink.onHead(head);
      if (this.#sink === undefined || bytes.length === 0) return undefined;
    }
  }

  #begin(head: ResponseHead, rest: Buffer): void {
    this.#head = head;
    const { framing } = head;
    if (head.status === 101) this.#pending = rest;
    this.#left = framing.kind === 'length' ? framing.bytes : 0;
    this.#chunks = framing.kind === 'chunked' ? new ChunkedReader(502) : undefined;
    if (!head.isKept || framing.kind === 'until-close') this.#isReusable = false;
    // A second's margin: it may close at the very end of its time.
    if (head.keptMs !== undefined) this.idleLimitMs = Math.max(0, head.keptMs - 1000);
  }

  #takeBody(bytes: Buffer, sink: ResponseSink): void {
    switch (this.#head?.framing.kind) {
      case 'none':
        this.#complete(bytes.length > 0, '');
        return;
      case 'length': {
        const data = bytes.length > this.#left ? bytes.subarray(0, this.#left) : bytes;
        this.#left -= data.length;
        if (data.length > 0) sink.onData(data);
        if (this.#left === 0) this.#complete(bytes.length > data.length, '');
        return;
      }
      case 'chunked': {
        const chunks = this.#chunks;
        if (chunks === undefined || bytes.length === 0) return;
        const part = chunks.read(bytes);
        if ('kind' in part) {
          this.#broken(part);
          return;
        }
        for (const data of part.data) sink.onData(data);
        if (part.isEnd) this.#complete(part.used < bytes.length, chunks.trailers);
        return;
      }
      case 'until-close':
        if (bytes.length > 0) sink.onData(bytes);
    }
  }

  /** @param hasMore bytes followed that nobody has asked for */
  #complete(hasMore: boolean, trailers: string): void {
    const sink = this.#sink;
    if (hasMore) this.#isReusable = false;
    this.#sink = undefined;
    sink?.onEnd(trailers);
  }

  #broken({ reason }: Fault): undefined {
    this.#fail('EPROTO', reason);
  }

  #fail(code: string, reason: string): void {
    const sink = this.#sink;
    this.discard();
    sink?.onBroken(code, reason);
  }

  #onEnd = (): void => {
    if (this.#head?.framing.kind === 'until-close' && this.#sink !== undefined) {
      this.#complete(false, '');
      this.#socket.destroy();
      return;
    }
    this.#fail(
      'ECONNRESET',
      this.#hasAnswered ? 'it closed in the middle of its answer' : 'it closed without an answer',
    );
  };

  #onError = (error: Error): void => {
    this.#fail(codeOf(error) ?? 'unknown', error.message);
  };

  #onClose = (): void => {
    this.#fail('ECONNRESET', 'it closed');
    this.#onGone(this);
  };

  #onDrain = (): void => {
    this.#sink?.onDrain();
  };
}
