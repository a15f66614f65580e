/** Runs inside a network namespace and does what the test says. Ends with its input. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import type { BackendOptions } from '../../../src/backend/backend.ts';
import type { Endpoint } from '../../../src/core/endpoint.ts';
import { PartStack } from '../../../src/core/part.ts';
import { beginKernelPath } from '../../../src/kernel/begin.ts';
import type { KernelPath } from '../../../src/kernel/kernel-path.ts';
import type { KernelMode } from '../../../src/kernel/mode.ts';
import { RouteTable } from '../../../src/route/table.ts';
import { logger, obeyLines } from '../namespaces/obey.ts';
import { closeServers, dialTimes, listen } from '../namespaces/sockets.ts';

export type Command =
  /** As a server: answers every connection with `NAME for CALLER`. */
  | { readonly do: 'listen'; readonly host: string; readonly port: number; readonly name: string }
  | { readonly do: 'close' }
  /** As a caller. */
  | { readonly do: 'dial'; readonly host: string; readonly port: number; readonly times?: number }
  | { readonly do: 'udp'; readonly host: string; readonly port: number }
  /** As the ambassador. */
  | {
      readonly do: 'begin';
      readonly addresses: readonly string[];
      readonly exceptPorts?: readonly number[];
      readonly mode?: KernelMode;
    }
  | { readonly do: 'backend'; readonly backend: BackendWish }
  | { readonly do: 'caller'; readonly caller: CallerWish }
  | { readonly do: 'caller-gone'; readonly id: string }
  | { readonly do: 'path'; readonly id: string; readonly port: number }
  | { readonly do: 'counters' | 'checks' | 'stop' | 'descriptors' }
  /** How long a change of a backend takes to be in the map, µs, several times over. */
  | { readonly do: 'time'; readonly backend: BackendWish; readonly times: number };

export interface BackendWish {
  readonly key: string;
  readonly endpoints: readonly Endpoint[];
  readonly down?: readonly string[];
  readonly options?: BackendOptions;
}

export interface CallerWish {
  readonly id: string;
  readonly pid: number;
  readonly addresses: readonly string[];
  /** Port -> backend's key. */
  readonly routes: Readonly<Record<number, string>>;
}

const table = new RouteTable();
const parts = new PartStack();
const checks: string[] = [];
let path: KernelPath | undefined;

/** The peer that a connected UDP socket shows. */
async function udpPeer(host: string, port: number): Promise<string> {
  const socket = createSocket('udp4');
  socket.connect(port, host);
  await once(socket, 'connect');
  const { address, port: shown } = socket.remoteAddress();
  socket.close();
  return `${address} ${shown}`;
}

async function begin({ addresses, exceptPorts = [], mode = 'require' }: Extract<Command, { do: 'begin' }>) {
  path = await beginKernelPath({
    mode,
    routes: table,
    checks: {
      check: (owner, endpoints, everyMs) => {
        checks.push(`${owner}: ${endpoints.map(({ ip }) => ip).join(' ') || 'none'} every ${everyMs}`);
      },
    },
    surroundings: async () => ({ addresses: new Set(addresses), exceptPorts: new Set(exceptPorts) }),
    selfPid: undefined,
    logger,
    parts,
  });
  return path !== undefined;
}

function setBackend({ key, endpoints, down = [], options = {} }: BackendWish): void {
  const backend = { key, text: key, options, isResolved: true, endpoints, ejected: [], down };
  table.apply({ kind: 'backend', backend });
}

async function obey(command: Command): Promise<unknown> {
  switch (command.do) {
    case 'listen': {
      const { host, port, name } = command;
      await listen({ host, port }, (socket) => `${name} for ${socket.remoteAddress}`);
      return;
    }
    case 'close':
      return closeServers();
    case 'dial':
      return dialTimes(command.host, command.port, command.times ?? 1);
    case 'udp':
      return udpPeer(command.host, command.port);
    case 'begin':
      return begin(command);
    case 'backend':
      setBackend(command.backend);
      return path?.settled(3000);
    case 'caller': {
      const { id, pid, addresses, routes } = command.caller;
      const targets = Object.entries(routes).map(([port, backendKey]) => [
        Number(port),
        { kind: 'backend' as const, backendKey },
      ]) as [number, { kind: 'backend'; backendKey: string }][];
      table.apply({
        kind: 'caller',
        caller: { id, name: id, pid, addresses, routes: new Map(targets) },
      });
      return path?.settled(3000);
    }
    case 'caller-gone':
      return table.apply({ kind: 'caller-gone', id: command.id });
    case 'path':
      return path?.pathOf(command.id, command.port);
    case 'counters':
      return path?.counters;
    case 'checks':
      await new Promise((resolve) => setImmediate(resolve));
      return checks.splice(0);
    case 'descriptors':
      return readdirSync('/proc/self/fd').length;
    case 'time': {
      const { endpoints } = command.backend;
      const tookMicroseconds: number[] = [];
      for (let i = 0; i < command.times; i++) {
        // Another weight is another version of the route.
        const changed = endpoints.map((each, index) => ({ ...each, weight: index === 0 ? 1 + (i % 2) : 1 }));
        const before = performance.now();
        setBackend({ ...command.backend, endpoints: changed });
        tookMicroseconds.push((performance.now() - before) * 1000);
        if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      return tookMicroseconds;
    }
    case 'stop':
      return parts.stop(1000);
  }
}

await obeyLines(obey);
await parts.stop(1000);
await closeServers();
