/**
 * The real Docker engine for tests: a busybox image of our own, and containers and networks that all carry one prefix
 * and are removed at the end.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Longest wait for one command of the engine's client, ms. */
const commandMs = 60_000;

export async function docker(...args: string[]): Promise<string> {
  const { stdout } = await run('docker', args, { timeout: commandMs });
  return stdout.trim();
}

export class RealEngine {
  readonly prefix = `ncd-${process.pid}`;
  readonly host = process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock';
  readonly image = `${this.prefix}-busybox`;

  /** @throws where the engine, its client or a static busybox is missing, in a sentence that says so */
  static async prepare(): Promise<RealEngine> {
    const engine = new RealEngine();
    await docker('version').catch((thrown: unknown) => {
      throw new Error(
        'these tests need a Docker engine at DOCKER_HOST or /var/run/docker.sock, and its client',
        {
          cause: thrown,
        },
      );
    });
    const folder = await mkdtemp(join(tmpdir(), 'nuncio-image-'));
    try {
      await mkdir(join(folder, 'bin'));
      await cp('/bin/busybox', join(folder, 'bin', 'busybox')).catch((thrown: unknown) => {
        throw new Error('these tests need /bin/busybox (package busybox-static)', { cause: thrown });
      });
      for (const name of ['sh', 'sleep', 'cat', 'true']) await symlink('busybox', join(folder, 'bin', name));
      const archive = join(folder, 'image.tar');
      await run('tar', ['cf', archive, '-C', folder, 'bin'], { timeout: commandMs });
      await docker('import', archive, engine.image);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    return engine;
  }

  name(short: string): string {
    return `${this.prefix}-${short}`;
  }

  /** Starts a container that sleeps. @returns its id */
  async start(short: string, ...options: string[]): Promise<string> {
    // The first process of a namespace gets no signal that it does not ask for: without --init a stop takes 10 s.
    return docker('run', '-d', '--init', '--name', this.name(short), ...options, this.image, 'sleep', '600');
  }

  async remove(short: string): Promise<void> {
    await docker('rm', '-f', this.name(short));
  }

  async network(short: string, ...options: string[]): Promise<string> {
    await docker('network', 'create', ...options, this.name(short));
    return this.name(short);
  }

  /** Removes every container, network and image of this run. */
  async cleanUp(): Promise<void> {
    const list = async (...args: string[]) =>
      (await docker(...args)).split('\n').filter((line) => line !== '');
    const mine = `name=^/?${this.prefix}-`;
    for (const id of await list('ps', '-aq', '--filter', mine)) await docker('rm', '-f', '-v', id);
    for (const id of await list('network', 'ls', '-q', '--filter', mine)) await docker('network', 'rm', id);
    await docker('rmi', this.image);
  }
}
