/** Streams of numbered blocks with a digest at each side: a lost, doubled or misplaced byte shows. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface Stream {
  readonly bytes: number;
  /** SHA-256, hexadecimal. */
  readonly digest: string;
}

const blockBytes = 64 * 1024;

/** Sends so many bytes, then the end. */
export async function send(socket: Socket, bytes: number): Promise<Stream> {
  const hash = createHash('sha256');
  const noise = randomBytes(blockBytes);
  for (let sent = 0; sent < bytes; ) {
    const block = Buffer.from(noise.subarray(0, Math.min(blockBytes, bytes - sent)));
    if (block.length >= 6) block.writeUIntBE(sent, 0, 6);
    hash.update(block);
    sent += block.length;
    if (!socket.write(block)) await once(socket, 'drain');
  }
  socket.end();
  return { bytes, digest: hash.digest('hex') };
}

/** Reads until the end. @param pauseMs rest after each slice of up to 64 KiB, for a slow reader */
export async function receive(socket: Socket, pauseMs = 0): Promise<Stream> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
    if (pauseMs > 0) await delay(pauseMs);
  }
  return { bytes, digest: hash.digest('hex') };
}
