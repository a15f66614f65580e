import { type Fault, type Field, fault, forbiddenByte, hopByHop, readFields } from './field-lines.ts';

/** What one look into a chunked body gave. */
export interface ChunkedPart {
  /** The data in it, without the framing. */
  readonly data: readonly Buffer[];
  /** How many of the bytes belong to the body; what follows is another message's. */
  readonly used: number;
  readonly isEnd: boolean;
}

/** A size line or the trailer section may be as long, bytes. */
const maxLine = 4096;
const maxTrailers = 16_384;
/** 2^52: beyond any body, and exact as a number. */
const maxSizeDigits = 13;
const CR = 13;
const LF = 10;

/**
 * Takes a chunked body (RFC 9112 7.1) apart, in whatever pieces it comes: sizes are hexadecimal digits alone, every line
 * ends in CRLF, extensions are checked and left out, trailers are kept. Its state is a few numbers; nothing of the data
 * is held.
 */
export class ChunkedReader {
  readonly #status: number;
  /** Bytes of the current chunk that are still to come. */
  #left = 0;
  #state: 'size' | 'data' | 'data-end' | 'trailers' | 'end' = 'size';
  /** The beginning of a line that came in pieces. */
  #line = '';
  #trailerBytes = 0;
  readonly #trailerLines: string[] = [];
  #trailers = '';

  /** @param status of a fault: 400 for a request, 502 for a response */
  constructor(status: number) {
    this.#status = status;
  }

  /** The trailer fields that may be passed on, `Name: value\r\n` each; complete at the end. */
  get trailers(): string {
    return this.#trailers;
  }

  read(bytes: Buffer): ChunkedPart | Fault {
    const data: Buffer[] = [];
    let at = 0;
    while (at < bytes.length && this.#state !== 'end') {
      if (this.#state === 'data') {
        const end = Math.min(bytes.length, at + this.#left);
        data.push(bytes.subarray(at, end));
        this.#left -= end - at;
        at = end;
        if (this.#left === 0) this.#state = 'data-end';
        continue;
      }
      const lf = bytes.indexOf(LF, at);
      const end = lf === -1 ? bytes.length : lf + 1;
      this.#line += bytes.toString('latin1', at, end);
      at = end;
      if (this.#line.length > maxLine) return fault(this.#status, 'a chunk header that is too long');
      if (lf === -1) {
        const wrong = this.#prematureFault();
        if (wrong !== undefined) return wrong;
        continue;
      }
      const line = this.#line;
      this.#line = '';
      if (line.charCodeAt(line.length - 2) !== CR) return fault(this.#status, 'a bare LF in chunk framing');
      const wrong = this.#takeLine(line.slice(0, -2));
      if (wrong !== undefined) return wrong;
    }
    return { data, used: at, isEnd: this.#state === 'end' };
  }

  /** What cannot become good any more should not be waited for. */
  #prematureFault(): Fault | undefined {
    if (this.#state === 'data-end' && this.#line !== '\r')
      return fault(this.#status, 'no CRLF after a chunk');
    const byte = forbiddenByte(this.#line);
    return byte === undefined ? undefined : fault(this.#status, `${byte} in chunk framing`);
  }

  #takeLine(line: string): Fault | undefined {
    if (this.#state === 'data-end') {
      if (line !== '') return fault(this.#status, 'no CRLF after a chunk');
      this.#state = 'size';
      return undefined;
    }
    const byte = forbiddenByte(`${line}\r\n`);
    if (byte !== undefined) return fault(this.#status, `${byte} in chunk framing`);
    return this.#state === 'size' ? this.#takeSize(line) : this.#takeTrailer(line);
  }

  #takeSize(line: string): Fault | undefined {
    const parts = /^([0-9A-Fa-f]+)(?:[ \t]*;.*)?$/.exec(line);
    const digits = parts?.[1]?.replace(/^0+(?=.)/, '');
    if (digits === undefined || digits.length > maxSizeDigits || (parts?.[1]?.length ?? 0) > 16) {
      return fault(this.#status, `the chunk size ${JSON.stringify(line.slice(0, 40))}`);
    }
    this.#left = Number.parseInt(digits, 16);
    this.#state = this.#left === 0 ? 'trailers' : 'data';
    return undefined;
  }

  #takeTrailer(line: string): Fault | undefined {
    if (line !== '') {
      this.#trailerBytes += line.length;
      if (this.#trailerBytes > maxTrailers) return fault(this.#status, 'trailers that are too long');
      this.#trailerLines.push(line);
      return undefined;
    }
    const fields = readFields(this.#trailerLines, 0, this.#status);
    if ('kind' in fields) return fields;
    this.#trailers = fields
      .filter(isTrailer)
      .map(({ name, value }) => `${name}: ${value}\r\n`)
      .join('');
    this.#state = 'end';
    return undefined;
  }
}

/** Fields that decide about framing, routing or access have no business after the body (RFC 9110 6.5.1). */
const notTrailers = new Set([
  'authorization',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'expect',
  'host',
  'max-forwards',
  'set-cookie',
  'trailer',
]);

function isTrailer({ key }: Field): boolean {
  return !notTrailers.has(key) && !hopByHop.has(key) && !key.startsWith('x-forwarded-');
}

/** The framing before a chunk of so many bytes; CRLF follows it. */
export function chunkHead(bytes: number): string {
  return `${bytes.toString(16)}\r\n`;
}
