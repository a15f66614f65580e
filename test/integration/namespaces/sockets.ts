/** The sockets of a puppet: servers that greet, and connections that tell what they were greeted with. */
import { once } from 'node:events';
import {
  type AddressInfo,
  connect,
  createServer,
  type ListenOptions,
  type Server,
  type Socket,
} from 'node:net';

/** Longest wait for a greeting, ms. */
const dialMs = 3000;

/** What became of a connection: what the other side said, and which peer the socket showed; or an error's code. */
export interface Dialled {
  readonly text: string;
  readonly peer?: string;
}

const servers: Server[] = [];

/** Says `greet` to every connection and ends it. */
export async function listen(options: ListenOptions, greet: (socket: Socket) => string): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.end(greet(socket));
  });
  servers.push(server);
  server.listen(options);
  await once(server, 'listening');
  return server;
}

export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

/** Every server of this process. */
export async function closeServers(): Promise<void> {
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
}

export function dial(host: string, port: number): Promise<Dialled> {
  return new Promise((resolve) => {
    let text = '';
    let peer: string | undefined;
    const socket = connect({ host, port });
    const limit = setTimeout(() => socket.destroy(new Error('timed out')), dialMs);
    socket.on('connect', () => {
      peer = `${socket.remoteAddress} ${socket.remotePort}`;
    });
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      text = error.code ?? error.message;
    });
    socket.on('close', () => {
      clearTimeout(limit);
      resolve(peer === undefined ? { text } : { text, peer });
    });
  });
}

/** One after the other. */
export async function dialTimes(host: string, port: number, times: number): Promise<Dialled[]> {
  const dialled: Dialled[] = [];
  for (let i = 0; i < times; i++) dialled.push(await dial(host, port));
  return dialled;
}
