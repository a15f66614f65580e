import type { StatusBoard } from '../admin/status-board.ts';
import type { Backend } from '../backend/backend.ts';
import type { PartStack } from '../core/part.ts';
import type { EndpointHealth } from '../health/endpoint-health.ts';
import type { DataPlane } from '../proxy/data-plane.ts';
import type { RouteTable } from '../route/table.ts';
import type { ProxySettings } from './settings.ts';
import { startFeedFor } from './start-feed.ts';
import { startHealth } from './start-health.ts';
import { describeProxy, startProxy } from './start-proxy.ts';
import { startRoutes } from './start-routes.ts';

export interface ForwardSettings extends ProxySettings {
  /** By the port that is listened on; `port` is the first of them. */
  readonly backends: ReadonlyMap<number, Backend>;
}

/**
 * The mode of one backend a port: every connection to a port goes to its backend.
 *
 * @throws AppError ERR_NOT_IN_BUILD, ERR_DOCKER, ERR_CANNOT_START; what has started by then is on the stack
 */
export async function startForward(
  settings: ForwardSettings,
  board: StatusBoard,
  parts: PartStack,
): Promise<void> {
  const { backends } = settings;
  const { table, health } = await startForwardRoutes(settings, backends, board, parts);
  const proxies: DataPlane[] = [];
  for (const port of backends.keys()) {
    const options = { routes: table, health, awaitCaller: noCaller, destination: 'own' as const };
    proxies.push(await startProxy({ ...settings, port }, board, parts, options));
  }
  await startHealth(settings, board, parts, () => proxies.map(describeProxy).join('; '));
}

/** For the modes that know no callers. */
export const noCaller = async () => false;

/** What every forward that knows no callers has. */
export async function startForwardRoutes(
  settings: ProxySettings,
  backends: ReadonlyMap<number, Backend>,
  board: StatusBoard,
  parts: PartStack,
): Promise<{ table: RouteTable; health: EndpointHealth }> {
  const { logger } = board;
  const { feed, selfId } = await startFeedFor([...backends.values()], settings.engine, logger, parts);
  const { table, writer, health } = await startRoutes(settings, board, parts, feed, selfId);
  writer.forwardAll(backends);
  return { table, health };
}
