import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ChunkedReader, chunkHead } from '../../../src/http/chunks.ts';

/** Reads a body that comes in pieces. */
function read(pieces: readonly Buffer[]) {
  const reader = new ChunkedReader(400);
  const data: Buffer[] = [];
  let used = 0;
  for (const piece of pieces) {
    const part = reader.read(piece);
    if ('kind' in part) return { fault: part.reason };
    data.push(...part.data);
    used += part.used;
    if (part.isEnd) return { data: Buffer.concat(data), used, trailers: reader.trailers };
  }
  return { isOpen: true };
}

/** Cuts bytes at the given places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, index) => bytes.subarray(from, [...at, bytes.length][index]));
}

test('any chunks, cut anywhere, are the data that went in, and what follows is left alone', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 400 }), { maxLength: 6 }),
      fc.array(fc.nat(3000), { maxLength: 12 }),
      fc.boolean(),
      (chunks, places, hasTrailer) => {
        const data = chunks.map((chunk) => Buffer.from(chunk));
        const body = Buffer.concat([
          ...data.flatMap((chunk) => [Buffer.from(chunkHead(chunk.length)), chunk, Buffer.from('\r\n')]),
          Buffer.from(`0\r\n${hasTrailer ? 'X-Sum: 1\r\n' : ''}\r\n`),
        ]);
        const next = Buffer.from('GET / HTTP/1.1\r\n');
        const outcome = read(cut(Buffer.concat([body, next]), places));
        assert.deepEqual(outcome, {
          data: Buffer.concat(data),
          used: body.length,
          trailers: hasTrailer ? 'X-Sum: 1\r\n' : '',
        });
      },
    ),
  );
});

test('whatever the bytes and the cuts: never a throw, and one outcome, however they come', () => {
  const alphabet = fc.constantFrom(
    ...'0123456789abcdefX;= \t\r\n\0:-+'.split(''),
    '\r\n',
    '\r\n',
    '5\r\nhello\r\n',
    '0\r\n',
  );
  fc.assert(
    fc.property(
      fc.array(alphabet, { maxLength: 40 }),
      fc.array(fc.nat(200), { maxLength: 8 }),
      (parts, places) => {
        const bytes = Buffer.from(parts.join(''), 'latin1');
        const whole = read([bytes]);
        const pieces = read(cut(bytes, places));
        assert.equal('fault' in whole, 'fault' in pieces);
        if (!('fault' in whole)) assert.deepEqual(pieces, whole);
      },
    ),
    { numRuns: 3000 },
  );
});

test('trailers that decide about framing, routing or access are left out', () => {
  const body =
    '0\r\nX-Sum: 1\r\nContent-Length: 5\r\nHost: b\r\nTransfer-Encoding: chunked\r\nX-Forwarded-For: 1\r\nGrpc-Status: 0\r\n\r\n';
  assert.deepEqual(read([Buffer.from(body)]), {
    data: Buffer.alloc(0),
    used: body.length,
    trailers: 'X-Sum: 1\r\nGrpc-Status: 0\r\n',
  });
});

test('trailers have a bound', () => {
  const outcome = read([Buffer.from(`0\r\n${'X: '.padEnd(2000, 'a').concat('\r\n').repeat(20)}\r\n`)]);
  assert.deepEqual(outcome, { fault: 'trailers that are too long' });
});
