import { readFile } from 'node:fs/promises';
import { codeOf } from '../core/errors.ts';
import { interfaceAddresses } from '../sys/interface-addresses.ts';
import { localAddresses } from '../sys/local-addresses.ts';
import { type ConnectMarked, loadConnectMarked } from '../sys/marked-socket.ts';
import { canManageRules } from './capabilities.ts';
import type { HasLegacyNat } from './iptables-method.ts';
import { type Listener, readListeners } from './listeners.ts';

/** What this room asks of the machine, apart from running programs. */
export interface NatSystem {
  canManageRules(): boolean;
  listeners(): Promise<readonly Listener[]>;
  /** Every address of this network namespace, loopback too; canonical. */
  addresses(): Promise<readonly string[]>;
  hasLegacyNat: HasLegacyNat;
  connectMarked: ConnectMarked;
}

export function linuxSystem(): NatSystem {
  let connectMarked: Promise<ConnectMarked> | undefined;
  return {
    canManageRules,
    listeners: readListeners,
    addresses: localAddresses,
    hasLegacyNat,
    connectMarked: async (target, options) => {
      connectMarked ??= loadConnectMarked();
      return (await connectMarked)(target, options);
    },
  };
}

/** Linux net/netfilter/x_tables.c: the tables of this namespace, one a line; only root may read them. */
async function hasLegacyNat(family: 4 | 6): Promise<boolean> {
  try {
    const names = await readFile(`/proc/self/net/ip${family === 4 ? '' : '6'}_tables_names`, 'utf8');
    return names.split('\n').includes('nat');
  } catch (thrown) {
    // No such file: the kernel has no legacy tables. Not readable: there may be some, so have a look.
    return codeOf(thrown) !== 'ENOENT';
  }
}

/**
 * The addresses that containers dial in host networking: those of the bridge that Docker gives them.
 *
 * @param bridge name of the interface
 * @returns canonical, IPv4 first; empty where there is no such interface
 */
export function bridgeAddresses(bridge = 'docker0'): Promise<readonly string[]> {
  return interfaceAddresses(bridge);
}
