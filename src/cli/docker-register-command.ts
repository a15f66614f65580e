import { HealthSocket, healthSocketPath } from '../admin/health-socket.ts';
import type { Logger } from '../core/log.ts';
import type { PartStack } from '../core/part.ts';
import { type DockerRegisterSettings, startDockerRegister } from '../registration/start.ts';

/**
 * `nuncio docker-register`, with a socket that tells whether etcd answers.
 *
 * @throws AppError ERR_DOCKER; what has started by then is on the stack
 */
export async function runDockerRegister(
  settings: DockerRegisterSettings,
  logger: Logger,
  parts: PartStack,
): Promise<void> {
  const state = await startDockerRegister(settings, logger, parts);
  const { container, port } = settings.target;
  const path = healthSocketPath(`${container}-${port}`);
  const report = () => {
    const { isConnected, wanted, written } = state();
    const etcd = isConnected ? 'etcd answers' : 'etcd does not answer';
    return { isServing: isConnected, detail: `${etcd}, ${written} of ${wanted} registered` };
  };
  await parts.begin(new HealthSocket({ path, report, logger }));
}
