/** A thread of callers or of servers that behave in every way that a peer may. Run as a worker by short-connections.test.ts. */
import { connect, createServer, type Socket } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';

export interface PeersData {
  readonly role: 'servers' | 'callers';
  readonly seed: number;
  readonly port?: number;
  readonly connections?: number;
  readonly atATime?: number;
}

/** Numerical Recipes' linear congruential generator: the same seed, the same run. */
function makeRandom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const data = workerData as PeersData;
const random = makeRandom(data.seed);
const bytes = Buffer.alloc(100_000, 'n');
const ignore = () => {};

/** What a server does with a connection. */
function serve(socket: Socket): void {
  socket.on('error', ignore);
  socket.on('end', () => {
    if (!socket.writableEnded) socket.end();
  });
  switch (random(7)) {
    case 0:
      socket.resetAndDestroy();
      break;
    case 1:
      socket.once('data', () => socket.resetAndDestroy());
      break;
    case 2:
      socket.end('early');
      socket.resume();
      break;
    case 3:
      socket.destroy();
      break;
    case 4:
      socket.end(bytes.subarray(0, random(bytes.length)));
      socket.resume();
      break;
    default:
      socket.pipe(socket);
  }
}

/** One connection of a caller; resolves when its socket is closed. */
function call(port: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
    socket.on('error', ignore);
    socket.on('close', () => resolve());
    const kind = random(8);
    socket.on('connect', () => {
      if (kind === 0) socket.resetAndDestroy();
      else if (kind === 1) socket.destroy();
      else if (kind === 2) {
        socket.write(bytes.subarray(0, 1 + random(2000)));
        socket.once('data', () => socket.resetAndDestroy());
        socket.once('end', () => socket.destroy());
      } else if (kind === 3) socket.end();
      else if (kind === 4) {
        socket.write(bytes.subarray(0, random(bytes.length)), () => socket.resetAndDestroy());
      } else socket.end(bytes.subarray(0, 1 + random(kind === 5 ? bytes.length : 500)));
    });
    socket.on('end', () => {
      if (!socket.writableEnded) socket.end();
    });
    if (kind !== 2) socket.resume();
  });
}

const port = parentPort;
if (port === null) throw new Error('peers.ts runs in a worker thread');
if (data.role === 'servers') {
  const server = createServer({ allowHalfOpen: true }, serve).listen(0, '127.0.0.1', 4096, () => {
    port.postMessage(server.address());
  });
} else {
  let left = data.connections ?? 0;
  const line = async () => {
    while (left-- > 0) await call(data.port ?? 0);
  };
  await Promise.all(Array.from({ length: data.atATime ?? 1 }, line));
  port.postMessage('done');
}
