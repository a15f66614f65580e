/** Runs inside a network namespace and does what the test says. Ends with its input. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { type InterceptionMode, startInterception } from '../../../src/ambassador/start-interception.ts';
import { PartStack } from '../../../src/core/part.ts';
import type { DataPlane } from '../../../src/proxy/data-plane.ts';
import { redirectedDestination } from '../../../src/proxy/portable/destination.ts';
import { loadLibc } from '../../../src/sys/libc.ts';
import { logger, obeyLines } from '../namespaces/obey.ts';
import { closeServers, dialTimes, listen } from '../namespaces/sockets.ts';

export type Command =
  /** Answers every connection with `NAME got ADDRESS PORT`: what was dialled. */
  | {
      readonly do: 'listen';
      readonly host: string;
      readonly port: number;
      readonly name: string;
      /** Others may listen there, too. */
      readonly isShared?: boolean;
    }
  | { readonly do: 'close' }
  | { readonly do: 'dial'; readonly host: string; readonly port: number; readonly times?: number }
  /** Sends every datagram back. */
  | { readonly do: 'udp-echo'; readonly port: number }
  | { readonly do: 'udp-ask'; readonly host: string; readonly port: number; readonly text: string }
  /** One connection that stays open: `tcp-echo` takes every one on a port, `say` gets the echo of a text. */
  | { readonly do: 'tcp-echo'; readonly port: number }
  | { readonly do: 'open'; readonly host: string; readonly port: number }
  | { readonly do: 'say'; readonly text: string }
  /** Brings what arrives to the socket that listened first here. */
  | {
      readonly do: 'begin';
      readonly mode: InterceptionMode;
      readonly proxyPort: number;
      readonly adminPort?: number;
    }
  | { readonly do: 'stop' | 'descriptors' };

const parts = new PartStack();
const closing: (() => void)[] = [];
let first: Server | undefined;
let talk: Socket | undefined;

/** Node does not document the descriptor of a listening socket; its TCP handle has it as `fd`. */
function descriptorOf(server: Server): number {
  const fd: unknown = Reflect.get(Reflect.get(server, '_handle') as object, 'fd');
  assert.ok(typeof fd === 'number');
  return fd;
}

async function begin(mode: InterceptionMode, proxyPort: number, adminPort?: number): Promise<void> {
  assert.ok(first, 'somebody listens');
  const proxy = { listener: descriptorOf(first) } as DataPlane;
  const settings = { proxyPort, ...(adminPort === undefined ? {} : { adminPort }) };
  await startInterception(settings, { mode, proxy, selfName: undefined, logger, parts });
}

async function udpEcho(port: number): Promise<void> {
  const socket = createSocket('udp6', (message, { port: from, address }) => {
    socket.send(message, from, address);
  });
  socket.bind(port);
  await once(socket, 'listening');
  closing.push(() => socket.close());
}

async function udpAsk(host: string, port: number, text: string): Promise<string> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  try {
    socket.send(text, port, host);
    const [message] = await once(socket, 'message', { signal: AbortSignal.timeout(3000) });
    return String(message);
  } finally {
    socket.close();
  }
}

async function tcpEcho(port: number): Promise<void> {
  const server = createServer((socket) => {
    socket.pipe(socket);
    closing.push(() => socket.destroy());
  });
  first ??= server;
  server.listen({ host: '::', port });
  await once(server, 'listening');
  closing.push(() => server.close());
}

async function obey(command: Command): Promise<unknown> {
  switch (command.do) {
    case 'listen': {
      const { host, port, name, isShared = false } = command;
      const read = redirectedDestination(await loadLibc());
      const server = await listen({ host, port, reusePort: isShared }, (socket) => {
        const dialled = read(socket);
        return `${name} got ${dialled.ip} ${dialled.port}`;
      });
      first ??= server;
      return;
    }
    case 'close':
      return closeServers();
    case 'dial': {
      const { host, port, times = 1 } = command;
      return (await dialTimes(host, port, times)).map(({ text }) => text);
    }
    case 'udp-echo':
      return udpEcho(command.port);
    case 'udp-ask':
      return udpAsk(command.host, command.port, command.text);
    case 'tcp-echo':
      return tcpEcho(command.port);
    case 'open':
      talk = connect(command.port, command.host);
      await once(talk, 'connect');
      closing.push(() => talk?.destroy());
      return;
    case 'say': {
      assert.ok(talk);
      talk.write(command.text);
      const [echo] = await once(talk, 'data', { signal: AbortSignal.timeout(3000) });
      return String(echo);
    }
    case 'begin':
      return begin(command.mode, command.proxyPort, command.adminPort);
    case 'stop':
      return parts.stop(1000);
    case 'descriptors':
      return readdirSync('/proc/self/fd').length;
  }
}

await obeyLines(obey);
await parts.stop(1000);
for (const close of closing) close();
await closeServers();
