import type { StatusBoard } from '../admin/status-board.ts';
import { findSelf } from '../ambassador/start-feed.ts';
import type { PartStack } from '../core/part.ts';
import { connectEngine } from '../docker/engine.ts';
import { LiveFeed } from '../docker/live-feed.ts';
import { startGateway } from '../gateway/start.ts';
import { startRegistration } from '../registration/start.ts';
import type { DynamicSettings } from './command.ts';
import { showGateway } from './gateway-command.ts';
import { describeRegistration } from './register-command.ts';

/**
 * `nuncio dynamic`: registers what runs on this host, and serves what is registered anywhere. It ends in reverse: what is
 * registered here goes first, so that nobody is led here any more while the gateway drains.
 *
 * @throws AppError ERR_DOCKER, ERR_CANNOT_START; what has started by then is on the stack
 */
export async function runDynamic(
  settings: DynamicSettings,
  board: StatusBoard,
  parts: PartStack,
): Promise<void> {
  const { logger } = board;
  const engine = connectEngine(settings.engine);
  const feed = await parts.begin(new LiveFeed({ engine, logger }));
  logger.info(`docker ${await engine.engineVersion()} at ${engine.host}`);
  const selfId = await findSelf(feed);
  const gateway = await startGateway(settings.gateway, { logger, parts, feed, selfId });
  const registration = await startRegistration(settings.registration, { feed, logger, parts });
  board.showRegistration(() => ({ ...registration.state, problems: registration.problems }));
  const detail = () => `${gateway.detail}; ${describeRegistration(registration)}`;
  await showGateway(gateway, settings.httpPort, board, parts, detail);
}
