/** The parts of the benchmark, each on one path in one round. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Figures, PartName, PathName, Run } from './figures.ts';
import { iperf } from './load/iperf.ts';
import { type WrkReport, wrk } from './load/wrk.ts';
import { httpPort, smallPath, streamPort } from './paths/backend.ts';
import { type Path, startPath, type Ways } from './paths/paths.ts';

export interface Lengths {
  /** Of one measurement, s. */
  readonly seconds: number;
  /** Before requests and before streams, s: what is measured is a proxy after its first moments. */
  readonly warmUpSeconds: number;
  /** Before new connections, s; 0: none. */
  readonly warmUpConnectionsSeconds: number;
  /** How long a process is left alone before its memory is read, ms. */
  readonly settleMs: number;
  /** Idle connections, in steps of 1,000. */
  readonly idleConnections: number;
}

export interface Measuring extends Lengths {
  readonly ways: Ways;
  readonly round: number;
  readonly signal: AbortSignal;
  /** Takes each run as it ends. */
  readonly onRun: (run: Run) => void;
}

const step = 1000;
/** In the table, one in each run. */
const routeCounts = [10, 10_000];

/**
 * Measures parts on one path, which is started for it and stopped after it.
 *
 * @throws Error with what a program said, where one fails
 */
export async function measure(
  name: PathName,
  parts: readonly PartName[],
  measuring: Measuring,
): Promise<void> {
  const wanted = new Set(parts);
  const isNuncio = name === 'nuncio-proxy' || name === 'nuncio-kernel';
  if (parts.some((part) => part !== 'routes')) {
    await using path = await startPath(name, measuring.ways);
    const tell = (part: PartName, figures: Partial<Run>) =>
      measuring.onRun({ path: name, round: measuring.round, part, ...figures });
    if (wanted.has('start') && path.startMs !== undefined) tell('start', { startMs: path.startMs });
    // Before any load: what is measured here is a process that has just started.
    if (wanted.has('memory') && path.program !== undefined) tell('memory', await memory(path, measuring));
    if (wanted.has('requests') || wanted.has('connections')) await warmUp(path, measuring);
    if (wanted.has('requests')) tell('requests', await requests(path, measuring));
    if (wanted.has('connections')) tell('connections', await connections(path, measuring));
    if (wanted.has('streams')) tell('streams', await streams(path, measuring));
  }
  if (wanted.has('routes') && isNuncio) await routes(name, measuring);
  await measuring.ways.bed.forgetConnections();
}

async function routes(name: PathName, measuring: Measuring): Promise<void> {
  for (const count of routeCounts) {
    await using path = await startPath(name, measuring.ways, { routes: count });
    await delay(measuring.settleMs, undefined, { signal: measuring.signal });
    const rssIdleMb = (await path.program?.usage())?.rssMb;
    await warmUp(path, measuring);
    const first = await requests(path, measuring);
    const second = await connections(path, measuring);
    measuring.onRun({
      path: name,
      round: measuring.round,
      part: 'routes',
      routes: count,
      ...first,
      ...second,
      errors: first.errors + second.errors,
      ...(path.startMs === undefined ? {} : { startMs: path.startMs }),
      ...(rssIdleMb === undefined ? {} : { rssIdleMb }),
    });
  }
}

function load(path: Path, measuring: Measuring, keepAlive: boolean, seconds: number): Promise<WrkReport> {
  const url = `http://${path.host}:${httpPort}${smallPath}`;
  return wrk(measuring.ways.bed.caller, { url, seconds, keepAlive, signal: measuring.signal });
}

async function warmUp(path: Path, measuring: Measuring): Promise<void> {
  await load(path, measuring, true, measuring.warmUpSeconds);
  const seconds = measuring.warmUpConnectionsSeconds;
  if (seconds > 0) await load(path, measuring, false, seconds);
}

async function requests(path: Path, measuring: Measuring): Promise<Figures & { errors: number }> {
  const report = await load(path, measuring, true, measuring.seconds);
  return {
    keepaliveRps: report.requestsPerS,
    p50us: report.p50us,
    p99us: report.p99us,
    errors: report.errors,
  };
}

async function connections(path: Path, measuring: Measuring): Promise<Figures & { errors: number }> {
  const { value, cpuSeconds } = await withCpu(path, () => load(path, measuring, false, measuring.seconds));
  return {
    connPerS: value.requestsPerS,
    errors: value.errors,
    ...(cpuSeconds === undefined
      ? {}
      : { cpuSecondsPer10kConnections: (cpuSeconds / value.requests) * 10_000 }),
  };
}

async function streams(path: Path, measuring: Measuring): Promise<Figures> {
  const { seconds, signal } = measuring;
  const transfer = async (streams: number, seconds: number) => {
    const options = { host: path.host, port: streamPort, streams, seconds, signal };
    const report = await iperf(measuring.ways.bed.caller, options);
    const { sources } = report;
    if (sources.length !== 1 || sources[0] !== path.source) {
      throw new Error(`${path.name}: streams came from ${sources.join(', ')}, not from ${path.source}`);
    }
    return report;
  };
  await transfer(1, measuring.warmUpSeconds);
  const { value, cpuSeconds } = await withCpu(path, async () => [
    await transfer(1, seconds),
    await transfer(8, seconds),
  ]);
  const bytes = value.reduce((sum, report) => sum + report.bytes, 0);
  return {
    gbps1: value[0]?.gbps ?? Number.NaN,
    gbps8: value[1]?.gbps ?? Number.NaN,
    ...(cpuSeconds === undefined ? {} : { cpuSecondsPerGb: (cpuSeconds / bytes) * 1e9 }),
  };
}

async function withCpu<T>(
  { program }: Path,
  work: () => Promise<T>,
): Promise<{ value: T; cpuSeconds?: number }> {
  const before = await program?.usage();
  const value = await work();
  const after = await program?.usage();
  if (before === undefined || after === undefined) return { value };
  return { value, cpuSeconds: after.cpuSeconds - before.cpuSeconds };
}

async function memory(path: Path, measuring: Measuring): Promise<Partial<Run>> {
  const { settleMs, idleConnections, signal } = measuring;
  const { caller } = measuring.ways;
  const read = async () => {
    await delay(settleMs, undefined, { signal });
    return (await path.program?.usage()) ?? { rssMb: Number.NaN, pssMb: Number.NaN };
  };
  const idle = await read();
  const rssMbByThousand = [idle.rssMb];
  for (let count = step; count <= idleConnections; count += step) {
    const open = await caller.hold({ host: path.host, port: httpPort }, smallPath, count);
    if (open < count) throw new Error(`${path.name}: only ${open} of ${count} idle connections stay open`);
    rssMbByThousand.push((await read()).rssMb);
  }
  await caller.release();
  const grownMb = (rssMbByThousand.at(-1) ?? Number.NaN) - idle.rssMb;
  return {
    rssIdleMb: idle.rssMb,
    pssIdleMb: idle.pssMb,
    kbPerIdleConnection: (grownMb * 1024) / idleConnections,
    rssMbByThousand,
  };
}
