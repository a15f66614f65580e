/** Runs inside a network namespace and does what the test says. Ends with its input. */
import { canManageRules } from '../../../src/nat/capabilities.ts';
import { commandRunner } from '../../../src/nat/command.ts';
import { findRules, installRules, removeRules } from '../../../src/nat/install.ts';
import { RuleKeeper } from '../../../src/nat/keeper.ts';
import type { RuleSet } from '../../../src/nat/rules.ts';
import { bridgeAddresses, linuxSystem } from '../../../src/nat/system.ts';
import { redirectedDestination } from '../../../src/proxy/portable/destination.ts';
import { loadLibc } from '../../../src/sys/libc.ts';
import { loadConnectMarked } from '../../../src/sys/marked-socket.ts';
import { logger, obeyLines } from '../namespaces/obey.ts';
import { closeServers, dial, listen, portOf } from '../namespaces/sockets.ts';

export type Command =
  | { readonly do: 'install' | 'find' | 'keep'; readonly rules: RuleSet }
  | { readonly do: 'remove' | 'check' | 'stop-keeping' | 'may' | 'close' }
  /** Answers every connection with the address it was sent to, or with `text`. */
  | { readonly do: 'listen'; readonly host: string; readonly port: number; readonly text?: string }
  | { readonly do: 'dial' | 'dial-marked'; readonly ip: string; readonly port: number }
  | { readonly do: 'bridge'; readonly name: string };

const deps = { run: commandRunner(), system: linuxSystem(), logger };
let keeper: RuleKeeper | undefined;

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
    case 'listen': {
      const { host, port, text } = command;
      const read = redirectedDestination(await loadLibc());
      const server = await listen({ host, port }, (socket) => {
        if (text !== undefined) return text;
        const dialled = read(socket);
        return `proxy got ${dialled.ip} ${dialled.port}`;
      });
      return portOf(server);
    }
    case 'close':
      return closeServers();
    case 'dial':
      return (await dial(command.ip, command.port)).text;
    case 'dial-marked':
      return (await loadConnectMarked())(command, { mark: 0x6e756e63, timeoutMs: 2000 });
    case 'bridge':
      return bridgeAddresses(command.name);
  }
}

await obeyLines(obey);
await keeper?.stop(0);
await closeServers();
