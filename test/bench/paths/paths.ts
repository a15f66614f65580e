/**
 * The ways from the caller to the backend, each started afresh for each measurement and stopped after it: one proxy
 * runs at a time, so none disturbs another and all can have the same ports.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Bed } from '../bed/bed.ts';
import type { Caller } from '../bed/caller.ts';
import { isInstalled } from '../bed/machine.ts';
import type { Program } from '../bed/program.ts';
import type { PathName } from '../figures.ts';
import { httpPort, smallPath, whoPath } from './backend.ts';
import { startNuncio } from './nuncio.ts';
import { startHaproxy, startNginxStream } from './peers.ts';

export interface Ways {
  readonly bed: Bed;
  readonly caller: Caller;
  readonly nuncioArguments: readonly string[];
}

/** A path that is up: whoever started it disposes of it. */
export interface Path extends AsyncDisposable {
  readonly name: PathName;
  /** What the caller dials. */
  readonly host: string;
  /** Whom the backend sees: the caller itself where no proxy is on the way, the ambassador otherwise. */
  readonly source: string;
  /** What carries the connections; none on the direct path. */
  readonly program?: Program;
  /** From the start of the program to the first request that was served, ms. */
  readonly startMs?: number;
}

export interface StartOptions {
  /** In Nuncio's table. */
  readonly routes: number;
}

const startLimitMs = 30_000;
/** The kernel path may be there some time after the proxy, which serves until then. */
const proofLimitMs = 5000;
export const usualRoutes = 10;

/**
 * @returns why the path cannot be measured here; undefined where it can
 */
export async function whyMissing(name: PathName): Promise<string | undefined> {
  if (name === 'haproxy' || name === 'nginx') {
    return (await isInstalled(name)) ? undefined : `${name} is not installed`;
  }
  return undefined;
}

/** @throws Error with what the program said, where it does not come up or is not the way that it claims to be */
export async function startPath(
  name: PathName,
  ways: Ways,
  { routes }: StartOptions = { routes: usualRoutes },
): Promise<Path> {
  const { bed, caller } = ways;
  if (name === 'direct') {
    await caller.awaitServed({ host: bed.backend.ip, port: httpPort }, smallPath, startLimitMs);
    return { name, host: bed.backend.ip, source: bed.caller.ip, [Symbol.asyncDispose]: async () => {} };
  }
  await using stack = new AsyncDisposableStack();
  const target = { host: bed.ambassador.ip, port: httpPort };
  const begun = performance.now();
  const program = stack.use(await startProgram(name, ways, routes, stack));
  await Promise.race([caller.awaitServed(target, smallPath, startLimitMs), program.failsWhenEnded()]);
  const startMs = performance.now() - begun;
  const source = name === 'nuncio-kernel' ? bed.caller.ip : bed.ambassador.ip;
  await proveWay(name, ways, source);
  const whole = stack.move();
  return {
    name,
    host: target.host,
    source,
    program,
    startMs,
    [Symbol.asyncDispose]: () => whole.disposeAsync(),
  };
}

async function startProgram(
  name: Exclude<PathName, 'direct'>,
  { bed, caller, nuncioArguments }: Ways,
  routes: number,
  stack: AsyncDisposableStack,
): Promise<Program> {
  switch (name) {
    case 'haproxy':
      return startHaproxy(bed);
    case 'nginx':
      return startNginxStream(bed);
    case 'nuncio-proxy':
    case 'nuncio-nat':
    case 'nuncio-kernel': {
      const { program, engine } = await startNuncio(bed, {
        kernel: name === 'nuncio-kernel' ? 'require' : 'off',
        rules: name === 'nuncio-nat' ? 'nat' : 'auto',
        routes,
        callerPid: caller.pid,
        extraArguments: nuncioArguments,
      });
      stack.use(engine);
      return program;
    }
  }
}

/** @throws Error where the backend does not see `source` in time */
async function proveWay(name: PathName, { bed, caller }: Ways, source: string): Promise<void> {
  const deadline = performance.now() + proofLimitMs;
  for (;;) {
    const seen = await caller.text({ host: bed.ambassador.ip, port: httpPort }, whoPath);
    if (seen === source) return;
    if (performance.now() > deadline) {
      throw new Error(`${name}: the backend sees connections from ${seen}, not from ${source}`);
    }
    await delay(10);
  }
}
