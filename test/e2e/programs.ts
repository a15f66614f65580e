/**
 * Containers that run a program of ./programs: backends and callers that behave in a particular way.
 *
 *     await startServer(docker, 'backend', ['echo']);
 *     const { stdout } = await runCaller(docker, 'caller', ['after-end', '1000'], { env: { BACKEND_80: … } });
 */
import { fileURLToPath } from 'node:url';
import { type CommandOptions, command, type Outcome } from './command.ts';
import type { Docker, RunOptions } from './docker.ts';
import { ambassadorImage } from './images.ts';
import { until } from './until.ts';

type More = Omit<RunOptions, 'image' | 'name' | 'entrypoint' | 'args'>;

/** Starts programs/server.ts; it listens on port 80 when this returns. @param args as told there */
export async function startServer(
  docker: Docker,
  name: string,
  args: readonly string[],
  more: More = {},
): Promise<void> {
  await docker.run(program('server.ts', name, args, more));
  await printed(docker, name, 'listening');
}

/** Starts programs/caller.ts, which calls `backends`, in the background. @param args as told there */
export async function startCaller(
  docker: Docker,
  name: string,
  args: readonly string[],
  more: More = {},
): Promise<void> {
  await docker.run(program('caller.ts', name, args, { links: ['backends'], ...more }));
}

/** Runs programs/caller.ts to its end. */
export function runCaller(
  docker: Docker,
  name: string,
  args: readonly string[],
  more: More = {},
  bounds: CommandOptions = {},
): Promise<Outcome> {
  return docker.runToEnd(program('caller.ts', name, args, { links: ['backends'], ...more }), bounds);
}

/**
 * Waits until a container has printed a line that begins so.
 *
 * @returns the line
 */
export function printed(docker: Docker, name: string, beginning: string, withinMs = 30_000): Promise<string> {
  const look = async () => {
    const lines = (await docker.logs(name)).split('\n');
    return lines.find((line) => line.startsWith(beginning));
  };
  const otherwise = () => docker.logs(name);
  return until(`${name} to print "${beginning}"`, look, { withinMs, otherwise });
}

/** Starts a container in which `callFrom` and `callFromWithin` make calls; it does nothing by itself. */
export async function startIdle(docker: Docker, name: string, more: More = {}): Promise<void> {
  const { args: _, ...rest } = program('caller.ts', name, [], { links: ['backends'], ...more });
  await docker.run({ ...rest, entrypoint: 'sleep', args: ['1000000'] });
}

/** Runs programs/caller.ts in a container that `startIdle` has started. */
export function callFrom(docker: Docker, name: string, args: readonly string[]): Promise<Outcome> {
  return docker.exec(name, ['node', ...nodeArgs('caller.ts', args)]);
}

/**
 * Runs programs/caller.ts in the namespaces of such a container, without the engine.
 *
 * @param pid of the container's first process
 */
export function callFromWithin(pid: number, args: readonly string[]): Promise<Outcome> {
  const path = 'PATH=/usr/local/bin:/usr/bin:/bin';
  const enter = [`--target=${pid}`, '--mount', '--net', '/usr/bin/env', '-i', path, 'node'];
  return command('nsenter', [...enter, ...nodeArgs('caller.ts', args)]);
}

function program(file: string, name: string, args: readonly string[], more: More): RunOptions {
  const programs = fileURLToPath(new URL('programs', import.meta.url));
  return {
    image: ambassadorImage,
    name,
    entrypoint: 'node',
    args: nodeArgs(file, args),
    ...more,
    volumes: [`${programs}:/programs:ro`, ...(more.volumes ?? [])],
    flags: ['--no-healthcheck', ...(more.flags ?? [])],
  };
}

function nodeArgs(file: string, args: readonly string[]): string[] {
  return ['--disable-warning=MODULE_TYPELESS_PACKAGE_JSON', `/programs/${file}`, ...args];
}
