import type { StatusBoard } from '../admin/status-board.ts';
import type { PartStack } from '../core/part.ts';
import { startDiscovery } from '../discovery/start.ts';
import type { ContainerFeed } from '../docker/feed.ts';
import { connectOnce } from '../health/connect-once.ts';
import { EndpointHealth } from '../health/endpoint-health.ts';
import { RouteTable } from '../route/table.ts';
import { RouteWriter } from '../route/writer.ts';
import type { ProxySettings } from './settings.ts';

/** Discovery, health, the table, and the one that writes it. */
export async function startRoutes(
  settings: ProxySettings,
  board: StatusBoard,
  parts: PartStack,
  feed: ContainerFeed | undefined,
  selfId: string | undefined,
): Promise<{ table: RouteTable; writer: RouteWriter; health: EndpointHealth }> {
  const { logger } = board;
  const { sources } = await startDiscovery(settings.discovery, { logger, parts, feed, selfId });
  const health = new EndpointHealth({ connect: connectOnce, logger });
  parts.defer(() => health.stop());
  const table = new RouteTable();
  const { allowLocalTargets } = settings;
  const writer = new RouteWriter({ table, sources, health, logger, allowLocalTargets });
  parts.defer(() => writer.stop());
  board.showRoutes(table, health);
  return { table, writer, health };
}
