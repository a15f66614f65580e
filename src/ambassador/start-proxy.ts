import { readFile } from 'node:fs/promises';
import type { StatusBoard } from '../admin/status-board.ts';
import { formatHostPort } from '../core/address.ts';
import type { PartStack } from '../core/part.ts';
import { connectionLimit } from '../proxy/connection-limit.ts';
import type { DataPlane, DataPlaneOptions } from '../proxy/data-plane.ts';
import { makeDataPlane } from '../proxy/start.ts';
import { openFilesLimit } from '../sys/limits.ts';
import type { ProxySettings } from './settings.ts';

/**
 * A data plane on one port, listening.
 *
 * @throws AppError ERR_CANNOT_START
 */
export async function startProxy(
  settings: ProxySettings,
  board: StatusBoard,
  parts: PartStack,
  options: Pick<DataPlaneOptions, 'routes' | 'health' | 'awaitCaller' | 'own' | 'destination'>,
): Promise<DataPlane> {
  const { logger } = board;
  const { port, connectTimeoutMs } = settings;
  const openFiles = openFilesLimit(await readFile('/proc/self/limits', 'utf8').catch(() => '')) ?? 1024;
  const { maxConnections, problem } = connectionLimit(openFiles, settings.maxConnections);
  if (problem !== undefined) logger.warn(problem, { code: 'ERR_LIMIT' });
  const limits = { connectTimeoutMs };
  const proxy = await makeDataPlane(
    { host: '::', port, maxConnections, openFiles, logger, limits, ...options },
    settings,
  );
  await parts.begin(proxy);
  board.showTraffic(proxy, maxConnections);
  logger.info(`${describeProxy(proxy)}, ${proxy.kind}, at most ${maxConnections} connections`);
  return proxy;
}

/** One line: where it listens, and what it carries. */
export function describeProxy(proxy: DataPlane): string {
  const { address, counters } = proxy;
  const at =
    address === undefined ? 'not listening' : `listening on ${formatHostPort(address.ip, address.port)}`;
  return counters.active === 0 ? at : `${at}, ${counters.active} connection(s) open`;
}
