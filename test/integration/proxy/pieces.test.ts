/** Streams in pieces of every size, both ways at once, for readers that pause: what arrives is what was sent. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { it } from 'node:test';
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import { Bed } from '../../contract/data-plane-bed.ts';

const streams = 12;
const bytesEach = 4 * 1024 * 1024;

/** Sends in pieces of 1 byte to 300 KB, with a pause now and then; ends, and tells the hash. */
async function send(socket: Socket, seed: number): Promise<string> {
  const hash = createHash('sha1');
  let state = seed;
  for (let sent = 0; sent < bytesEach; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const size = state % 5 === 0 ? 1 + (state % 7) : 1 + (state % 300_000);
    const piece = Buffer.alloc(Math.min(size, bytesEach - sent), state & 255);
    hash.update(piece);
    sent += piece.length;
    if (!socket.write(piece)) await once(socket, 'drain');
    if (state % 11 === 0) await turn();
  }
  socket.end();
  return hash.digest('hex');
}

/** Reads a little at a time and rests in between, so that everything before it fills up. */
async function readSlowly(socket: Socket, seed: number): Promise<string> {
  const hash = createHash('sha1');
  let count = seed;
  for await (const chunk of socket) {
    hash.update(chunk as Buffer);
    if (++count % 17 === 0) await delay(2);
  }
  return hash.digest('hex');
}

for (const choice of [{ workers: 1 }, { workers: 2 }, { dataPlane: 'portable' }] as const) {
  it(`streams in random pieces arrive whole, both ways: ${JSON.stringify(choice)}`, async () => {
    await using bed = await Bed.start(choice);
    const far: Promise<[received: string, sent: string]>[] = [];
    const server = (socket: Socket) => {
      far.push(Promise.all([readSlowly(socket, far.length), send(socket, 1000 + far.length)]));
    };
    bed.setEndpoints([await bed.endpoint(server)]);
    const near = await Promise.all(
      Array.from({ length: streams }, async (_, index) => {
        const socket = bed.call();
        return Promise.all([readSlowly(socket, index), send(socket, index + 1)]);
      }),
    );
    const arrived = await Promise.all(far);
    assert.deepEqual(near.map(([, sent]) => sent).sort(), arrived.map(([received]) => received).sort());
    assert.deepEqual(near.map(([received]) => received).sort(), arrived.map(([, sent]) => sent).sort());
  });
}
