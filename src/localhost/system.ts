import { commandRunner } from '../nat/command.ts';
import { readListeners } from '../nat/listeners.ts';
import { outgoingInterface } from '../sys/outgoing-interface.ts';
import { loadRouteLocalnet } from '../sys/route-localnet.ts';
import type { NamespaceSystem } from './rules.ts';

/** @throws AppError ERR_CANNOT_START where libc cannot be called on this platform */
export async function linuxNamespace(): Promise<NamespaceSystem> {
  return {
    run: commandRunner(),
    routeLocalnet: await loadRouteLocalnet(),
    outgoingInterface,
    listeners: readListeners,
  };
}
