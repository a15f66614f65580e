import { commandRunner } from '../nat/command.ts';
import { findIptables } from '../nat/iptables-method.ts';
import { readListeners } from '../nat/listeners.ts';
import { outgoingInterface } from '../sys/outgoing-interface.ts';
import { loadRouteLocalnet } from '../sys/route-localnet.ts';
import { iptablesMethod } from './iptables-method.ts';
import { nftMethod } from './nft-method.ts';
import type { NamespaceSystem } from './rules.ts';

/** @throws AppError ERR_CANNOT_START where libc cannot be called on this platform */
export async function linuxNamespace(): Promise<NamespaceSystem> {
  const run = commandRunner();
  const routeLocalnet = await loadRouteLocalnet();
  return {
    methods: async () => {
      const programs = await findIptables(run);
      return [nftMethod(run), ...programs.map((program) => iptablesMethod(program, run))];
    },
    routeLocalnet,
    outgoingInterface,
    listeners: readListeners,
  };
}
