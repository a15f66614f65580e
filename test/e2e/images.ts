import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { command } from './command.ts';
import type { Engine } from './engine.ts';

/** The image under test, as scripts/image builds it (under the name in NUNCIO_IMAGE, where that is set). It has Node, for callers that are written in it (`entrypoint`). */
export const ambassadorImage = process.env.NUNCIO_IMAGE ?? 'nuncio:latest';

/** busybox with all its applets, redis-server and redis-cli, as scripts/test makes it by scripts/small-image. */
export const testImage = 'nuncio-test:latest';

/** Consul, as scripts/test makes it by scripts/small-image from the binary that the tests use. */
export const consulImage = 'nuncio-consul:latest';

/** The real HAProxy, as scripts/test makes it by scripts/small-image. */
export const haproxyImage = 'nuncio-haproxy:latest';

const copyTimeoutMs = 120_000;

/**
 * Copies images from the machine's engine into one of a test's own.
 *
 * @throws Error where one of them has not been built
 */
export async function copyImages(engine: Engine, ...images: readonly string[]): Promise<void> {
  for (const image of images) {
    const { code } = await command('docker', ['image', 'inspect', image]);
    if (code !== 0) throw new Error(`there is no image ${image} on this machine: scripts/test builds it`);
  }
  const bound = AbortSignal.timeout(copyTimeoutMs);
  const save = spawn('docker', ['save', ...images], { stdio: ['ignore', 'pipe', 'inherit'], signal: bound });
  const saved = once(save, 'close');
  // The load's failure is told first; a save that it breaks would otherwise be an unhandled rejection.
  saved.catch(() => {});
  await engine.docker.cli(['load'], { input: save.stdout, timeoutMs: copyTimeoutMs });
  const [code] = (await saved) as [number | null];
  if (code !== 0) throw new Error(`docker save ${images.join(' ')}: exit code ${code}`);
}
