/**
 * Runs inside a network namespace and does what the test says: one JSON command a line in, one JSON answer a line out.
 * Ends with its input.
 */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { canManageRules } from '../../../src/nat/capabilities.ts';
import { commandRunner } from '../../../src/nat/command.ts';
import { findRules, installRules, removeRules } from '../../../src/nat/install.ts';
import { RuleKeeper } from '../../../src/nat/keeper.ts';
import type { RuleSet } from '../../../src/nat/rules.ts';
import { bridgeAddresses, linuxSystem } from '../../../src/nat/system.ts';
import { loadLibc } from '../../../src/sys/libc.ts';
import { loadConnectMarked } from '../../../src/sys/marked-socket.ts';
import { originalDestination } from '../../../src/sys/original-destination.ts';

export type Command =
  | { readonly do: 'install' | 'find' | 'keep'; readonly rules: RuleSet }
  | { readonly do: 'remove' | 'check' | 'stop-keeping' | 'may' | 'close' }
  /** Answers every connection with the address it was sent to, or with `text`. */
  | { readonly do: 'listen'; readonly host: string; readonly port: number; readonly text?: string }
  | { readonly do: 'dial' | 'dial-marked'; readonly ip: string; readonly port: number }
  | { readonly do: 'bridge'; readonly name: string };

export interface Answer {
  readonly value?: unknown;
  readonly error?: { readonly code: string; readonly message: string };
  /** What was logged meanwhile: `warn: message`. */
  readonly log: readonly string[];
}

const log: string[] = [];
const level = (name: string) => (message: string) => {
  log.push(`${name}: ${message}`);
};
const logger = { debug: level('debug'), info: level('info'), warn: level('warn'), error: level('error') };
const deps = { run: commandRunner(), system: linuxSystem(), logger };
const servers: Server[] = [];
let keeper: RuleKeeper | undefined;

async function listen(host: string, port: number, text?: string): Promise<number> {
  const libc = await loadLibc();
  const server = createServer((socket: Socket & { _handle?: { fd: number } }) => {
    socket.on('error', () => {});
    const family = socket.remoteAddress?.includes('.') ? 4 : 6;
    const answer = () => {
      const { ip, port: dialled } = originalDestination(libc, socket._handle?.fd ?? -1, family);
      return `proxy got ${ip} ${dialled}`;
    };
    socket.end(text ?? answer());
  });
  servers.push(server);
  server.listen({ host, port });
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}

/** The text that the other side sends, or the error's code. */
function dial(ip: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect({ host: ip, port });
    const limit = setTimeout(() => socket.destroy(new Error('timed out')), 3000);
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      text = error.code ?? error.message;
    });
    socket.on('close', () => {
      clearTimeout(limit);
      resolve(text);
    });
  });
}

async function obey(command: Command): Promise<unknown> {
  switch (command.do) {
    case 'install':
      return installRules(command.rules, deps);
    case 'remove':
      return removeRules(deps);
    case 'find':
      return findRules(command.rules, deps);
    case 'keep':
      keeper = new RuleKeeper({ ...deps, rules: command.rules, intervalMs: 3_600_000 });
      await keeper.start();
      return keeper.report;
    case 'check':
      return keeper?.checkNow();
    case 'stop-keeping':
      return keeper?.stop(0);
    case 'may':
      return canManageRules();
    case 'listen':
      return listen(command.host, command.port, command.text);
    case 'close':
      for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
      return;
    case 'dial':
      return dial(command.ip, command.port);
    case 'dial-marked':
      return (await loadConnectMarked())(command, { mark: 0x6e756e63, timeoutMs: 2000 });
    case 'bridge':
      return bridgeAddresses(command.name);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer: Pick<Answer, 'value' | 'error'>;
  try {
    answer = { value: await obey(JSON.parse(line) as Command) };
  } catch (thrown) {
    const { code = '', message } = thrown as { code?: string; message: string };
    answer = { error: { code, message } };
  }
  process.stdout.write(`${JSON.stringify({ ...answer, log: log.splice(0) })}\n`);
}
await keeper?.stop(0);
for (const server of servers) server.close();
