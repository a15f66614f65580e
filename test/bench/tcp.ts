/**
 * The benchmark: Nuncio against HAProxy, nginx stream and no proxy at all, on three hosts made of network namespaces.
 * Bytes first: a body's checksum through every path; then times, each path in turn, round after round.
 *
 *     scripts/bench [--quick] [--only …] [--paths …]      all arguments: options.ts
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Bed } from './bed/bed.ts';
import { Caller } from './bed/caller.ts';
import { machine, projectRoot, versions } from './bed/machine.ts';
import { say, untilStopped } from './bed/until-stopped.ts';
import type { PartName, PathName, Results, Run } from './figures.ts';
import { type Measuring, measure } from './measure.ts';
import { type Options, readOptions, usage } from './options.ts';
import { type Backend, bodyPath, httpPort, startBackend } from './paths/backend.ts';
import { startPath, type Ways, whyMissing } from './paths/paths.ts';
import { publish, writeResults } from './report/blocks.ts';
import { progressLine } from './report/progress.ts';
import { summarise } from './report/summary.ts';
import { report } from './report/table.ts';

/** What is measured in one go on a path. Full rounds keep the paths close together in time. */
const turns: Readonly<Record<Options['mode'], readonly (readonly PartName[])[]>> = {
  full: [['start', 'requests', 'connections'], ['start', 'streams'], ['memory'], ['routes']],
  quick: [['start', 'requests', 'connections', 'streams'], ['memory'], ['routes']],
};
const slowParts: readonly PartName[] = ['memory', 'routes'];

/** A checksum through the path, before anything is timed. @throws Error where the bytes are not those that were sent */
async function verify(name: PathName, ways: Ways, backend: Backend): Promise<void> {
  await using path = await startPath(name, ways);
  const digest = await ways.caller.digest({ host: path.host, port: httpPort }, bodyPath);
  if (digest !== backend.bodyDigest) throw new Error(`${name}: the body arrives changed (SHA-256 ${digest})`);
}

/** Finds out which paths can be measured. @returns the reasons of those that cannot */
async function verifyAll(options: Options, ways: Ways, backend: Backend): Promise<Map<PathName, string>> {
  const missing = new Map<PathName, string>();
  for (const name of options.paths) {
    let reason = await whyMissing(name);
    try {
      if (reason === undefined) await verify(name, ways, backend);
    } catch (thrown) {
      // Without these two there is nothing to compare with, and nothing to compare.
      if (name === 'direct' || name === 'nuncio-proxy') throw thrown;
      reason = thrown instanceof Error ? thrown.message : String(thrown);
    }
    if (reason !== undefined) missing.set(name, reason.replaceAll(/\s+/g, ' '));
    say(reason === undefined ? `${name}: bytes are right` : `${name} is missing: ${missing.get(name)}`);
  }
  return missing;
}

/** One more try for what fails once: a run of many minutes should not be lost to a moment's hiccup. */
async function measureTwice(name: PathName, parts: readonly PartName[], measuring: Measuring): Promise<void> {
  const runs: Run[] = [];
  const gathering = { ...measuring, onRun: (run: Run) => runs.push(run) };
  try {
    await measure(name, parts, gathering);
  } catch (thrown) {
    measuring.signal.throwIfAborted();
    say(`${name}: ${thrown instanceof Error ? thrown.message : thrown}; once more`);
    runs.length = 0;
    await measure(name, parts, gathering);
  }
  for (const run of runs) measuring.onRun(run);
}

async function measureAll(
  options: Options,
  ways: Ways,
  missing: ReadonlyMap<PathName, string>,
  signal: AbortSignal,
): Promise<readonly Run[]> {
  const runs: Run[] = [];
  const onRun = (run: Run) => {
    runs.push(run);
    say(progressLine(run, options.rounds));
  };
  for (let round = 1; round <= options.rounds; round++) {
    for (const turn of turns[options.mode]) {
      const parts = turn.filter(
        (part) => options.parts.includes(part) && (round <= options.slowRounds || !slowParts.includes(part)),
      );
      if (parts.length === 0) continue;
      for (const name of options.paths) {
        signal.throwIfAborted();
        if (missing.has(name)) continue;
        await measureTwice(name, parts, { ...options, ways, round, signal, onRun });
      }
    }
  }
  return runs;
}

async function bench(options: Options, signal: AbortSignal): Promise<Results> {
  await using bed = await Bed.build();
  await using caller = new Caller(bed.caller);
  // Whatever waits for the caller is told, and unwinds.
  signal.addEventListener('abort', () => void caller[Symbol.asyncDispose]());
  signal.throwIfAborted();
  await using backend = await startBackend(bed);
  const ways = { bed, caller, nuncioArguments: options.nuncioArguments };
  const missing = await verifyAll(options, ways, backend);
  const date = new Date().toISOString();
  const runs = await measureAll(options, ways, missing, signal);
  const { mode, rounds, seconds, nuncioArguments } = options;
  return {
    date,
    machine: machine(),
    versions: await versions(),
    mode,
    rounds,
    seconds,
    ...(nuncioArguments.length === 0 ? {} : { nuncioArguments: nuncioArguments.join(' ') }),
    paths: summarise(runs, missing),
    runs,
  };
}

function print(results: Results): void {
  for (const text of report(results)) console.log(`\n${text}`);
}

async function save(results: Results, options: Options): Promise<void> {
  if (options.isPublished) {
    await publish(results);
    say(
      'written: docs/benchmarks/latest.json, latest.svg, and the tables of README.md and docs/performance.md',
    );
    return;
  }
  const folder = join(projectRoot, '.cache/bench');
  await mkdir(folder, { recursive: true });
  await writeResults(results, folder);
  say(
    'written: .cache/bench/latest.json and latest.svg (a part or a quick run changes no document without --save)',
  );
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (options === 'help') {
    console.log(usage);
    return 0;
  }
  if ('problems' in options) {
    console.error(`${options.problems.join('\n')}\n\n${usage}`);
    return 2;
  }
  return untilStopped(async (signal) => {
    const results = await bench(options, signal);
    print(results);
    await save(results, options);
  });
}

process.exitCode = await main();
