import { HealthSocket, healthSocketPath } from '../admin/health-socket.ts';
import type { StatusBoard } from '../admin/status-board.ts';
import { findSelf } from '../ambassador/start-feed.ts';
import { AppError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { PartStack } from '../core/part.ts';
import { connectEngine, type EngineOptions } from '../docker/engine.ts';
import type { ContainerFeed } from '../docker/feed.ts';
import { LiveFeed } from '../docker/live-feed.ts';
import type { Gateway } from '../gateway/gateway.ts';
import { type GatewaySettings, startGateway } from '../gateway/start.ts';

/**
 * `nuncio gateway`: traffic only. Docker is asked for the callers' links where it can be.
 *
 * @throws AppError ERR_CANNOT_START; what has started by then is on the stack
 */
export async function runGateway(
  settings: GatewaySettings & { readonly engine: EngineOptions },
  board: StatusBoard,
  parts: PartStack,
): Promise<void> {
  const { logger } = board;
  const feed = await optionalFeed(settings.engine, logger, parts);
  const selfId = feed === undefined ? undefined : await findSelf(feed);
  const gateway = await startGateway(settings, { logger, parts, feed, selfId });
  await showGateway(gateway, settings.httpPort, board, parts, () => gateway.detail);
}

/** Makes a gateway seen: on the status page, and to `nuncio --health`. */
export async function showGateway(
  gateway: Gateway,
  httpPort: number,
  board: StatusBoard,
  parts: PartStack,
  detail: () => string,
): Promise<void> {
  board.showGateway(() => gateway.status());
  board.showServing(() => gateway.isServing);
  const report = () => ({ isServing: gateway.isServing, detail: detail() });
  const path = healthSocketPath(httpPort);
  await parts.begin(new HealthSocket({ path, report, logger: board.logger }));
}

async function optionalFeed(
  engine: EngineOptions,
  logger: Logger,
  parts: PartStack,
): Promise<ContainerFeed | undefined> {
  try {
    return await parts.begin(new LiveFeed({ engine: connectEngine(engine), logger }));
  } catch (thrown) {
    if (!(thrown instanceof AppError)) throw thrown;
    logger.info(`${thrown.message}; link aliases of callers are not known, the first name has a port`);
    return undefined;
  }
}
