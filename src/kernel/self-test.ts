import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { endpoint } from '../core/endpoint.ts';
import { AppError } from '../core/errors.ts';
import type { RouteMaps } from './route-maps.ts';

/** A connection to the same machine; more is a sign that it went elsewhere. */
const timeoutMs = 2000;

/**
 * Proves that the hooks are at work: a connection of this process to a port of its own where nobody listens has to arrive at
 * another one, and has to show the port that it dialled.
 *
 * @param cookie number of this process's network namespace
 * @throws AppError ERR_CANNOT_START with what happened instead
 */
export async function proveHooks(maps: RouteMaps, cookie: bigint): Promise<void> {
  await using arrival = await listen();
  const port = await unusedPort();
  const endpoints = { 4: [endpoint('127.0.0.1', arrival.port)], 6: [] };
  const slot = maps.install({ cookie, port }, { turns: 'in-turn', endpoints });
  try {
    const shown = await dial(port);
    if (shown !== port) throw notProved(`it showed port ${shown} in place of the one that it dialled`);
  } finally {
    maps.remove({ cookie, port });
    if (slot !== undefined) maps.release(slot);
  }
}

async function listen(): Promise<AsyncDisposable & { readonly port: number }> {
  const server: Server = createServer((socket) => {
    socket.on('error', () => {});
    socket.destroy();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A port that the kernel has just had free. */
async function unusedPort(): Promise<number> {
  await using server = await listen();
  return server.port;
}

/** @returns the port that the socket shows as its peer's */
async function dial(port: number): Promise<number | undefined> {
  const socket = connect({ host: '127.0.0.1', port });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(timeoutMs) });
    return socket.remotePort;
  } catch (thrown) {
    throw notProved('it was not redirected', thrown);
  } finally {
    socket.on('error', () => {});
    socket.resetAndDestroy();
  }
}

function notProved(what: string, cause?: unknown): AppError {
  const text = `the hooks are in place, but a connection made to try them says otherwise: ${what}`;
  return new AppError('ERR_CANNOT_START', text, cause === undefined ? {} : { cause });
}
