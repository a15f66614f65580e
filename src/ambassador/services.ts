import type { StatusBoard } from '../admin/status-board.ts';
import type { Backend } from '../backend/backend.ts';
import type { PartStack } from '../core/part.ts';
import { beginRules } from '../nat/begin.ts';
import type { RuleSettings } from '../nat/settings.ts';
import { OwnAddresses } from '../sys/own-addresses.ts';
import { noCaller, startForwardRoutes } from './forward.ts';
import type { ProxySettings } from './settings.ts';
import { startHealth } from './start-health.ts';
import { describeProxy, startProxy } from './start-proxy.ts';

export interface ServicesSettings extends ProxySettings {
  /** By the port that is dialled, whatever the address. */
  readonly backends: ReadonlyMap<number, Backend>;
  readonly rules: RuleSettings;
  /** False leaves the rules to the operator. */
  readonly manageRules: boolean;
}

/**
 * The mode of embassy's static provider: one port for everyone, and the port that was dialled says which backend.
 *
 * @throws AppError as `startForward`, and ERR_RULES
 */
export async function startServices(
  settings: ServicesSettings,
  board: StatusBoard,
  parts: PartStack,
): Promise<void> {
  const { logger } = board;
  const { table, health } = await startForwardRoutes(settings, settings.backends, board, parts);
  const own = await parts.begin(new OwnAddresses(logger));
  // Where the rules are the operator's, a connection from here is no probe but a program in this very container.
  const proxy = await startProxy(settings, board, parts, {
    routes: table,
    health,
    awaitCaller: noCaller,
    own: settings.manageRules ? own : undefined,
    destination: 'redirected',
  });
  if (settings.manageRules) {
    await beginRules(settings.rules, { manageRules: true, selfName: undefined, logger, parts });
  } else logger.info('no rules are set: --redirect or --dnat sets them, or your own lead to this port');
  parts.defer((deadlineMs) => proxy.stop(deadlineMs));
  await startHealth(settings, board, parts, () => describeProxy(proxy));
}
