import { HealthSocket, healthSocketPath } from '../admin/health-socket.ts';
import type { StatusBoard } from '../admin/status-board.ts';
import type { PartStack } from '../core/part.ts';
import { connectEngine, type EngineOptions } from '../docker/engine.ts';
import { LiveFeed } from '../docker/live-feed.ts';
import { type Registration, type RegistrationSettings, startRegistration } from '../registration/start.ts';

/**
 * `nuncio register`: registration only.
 *
 * @throws AppError ERR_DOCKER, ERR_CANNOT_START; what has started by then is on the stack
 */
export async function runRegister(
  settings: RegistrationSettings & { readonly engine: EngineOptions },
  board: StatusBoard,
  parts: PartStack,
): Promise<void> {
  const { logger } = board;
  const engine = connectEngine(settings.engine);
  const feed = await parts.begin(new LiveFeed({ engine, logger }));
  logger.info(`docker ${await engine.engineVersion()} at ${engine.host}`);
  const registration = await startRegistration(settings, { feed, logger, parts });
  board.showRegistration(() => ({ ...registration.state, problems: registration.problems }));
  board.showServing(() => registration.state.isConnected);
  const report = () => ({
    isServing: registration.state.isConnected,
    detail: describeRegistration(registration),
  });
  await parts.begin(new HealthSocket({ path: healthSocketPath('register'), report, logger }));
}

/** One line. */
export function describeRegistration({ state, problems }: Registration): string {
  const { isConnected, wanted, written } = state;
  const registry = isConnected ? 'the registry answers' : 'the registry does not answer';
  const skipped = problems.length === 0 ? '' : `, ${problems.length} skipped`;
  return `${registry}, ${written} of ${wanted} registered${skipped}`;
}
