import { HealthSocket, healthSocketPath } from '../admin/health-socket.ts';
import type { StatusBoard } from '../admin/status-board.ts';
import type { PartStack } from '../core/part.ts';
import { connectEngine, type EngineOptions } from '../docker/engine.ts';
import { LiveFeed } from '../docker/live-feed.ts';
import { type RegistrationSettings, startRegistration } from '../registration/start.ts';

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
  const report = () => {
    const { isConnected, wanted, written } = registration.state;
    const registry = isConnected ? 'the registry answers' : 'the registry does not answer';
    const problems = registration.problems.length;
    const skipped = problems === 0 ? '' : `, ${problems} skipped`;
    return { isServing: isConnected, detail: `${registry}, ${written} of ${wanted} registered${skipped}` };
  };
  await parts.begin(new HealthSocket({ path: healthSocketPath('register'), report, logger }));
}
