import type { StatusBoard } from '../admin/status-board.ts';
import type { Backend } from '../backend/backend.ts';
import type { PartStack } from '../core/part.ts';
import type { RuleSettings } from '../nat/settings.ts';
import { OwnAddresses } from '../sys/own-addresses.ts';
import { noCaller, startForwardRoutes } from './forward.ts';
import type { ProxySettings } from './settings.ts';
import { startHealth } from './start-health.ts';
import { type InterceptionMode, startInterception } from './start-interception.ts';
import { describeProxy, startProxy } from './start-proxy.ts';

export interface ServicesSettings extends ProxySettings {
  /** By the port that is dialled, whatever the address. */
  readonly backends: ReadonlyMap<number, Backend>;
  readonly rules: RuleSettings;
  /** off leaves the rules to the operator. */
  readonly interception: InterceptionMode;
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
  const { interception: mode } = settings;
  const { table, health } = await startForwardRoutes(settings, settings.backends, board, parts);
  const own = await parts.begin(new OwnAddresses(logger));
  // Where the rules are the operator's, a connection from here is no probe but a program in this very container.
  const proxy = await startProxy(settings, board, parts, {
    routes: table,
    health,
    awaitCaller: noCaller,
    own: mode === 'off' ? undefined : own,
    destination: 'redirected',
  });
  if (mode !== 'off') {
    await startInterception(settings.rules, { mode, proxy, selfName: undefined, logger, parts });
  } else logger.info('no rules are set: --redirect or --dnat sets them, or your own lead to this port');
  parts.defer((deadlineMs) => proxy.stop(deadlineMs));
  await startHealth(settings, board, parts, () => describeProxy(proxy));
}
