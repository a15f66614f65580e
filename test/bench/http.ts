/**
 * The gateway against HAProxy in http mode, in one run: one thread each, routing by Host, X-Forwarded-*, at 1 and at 1,000
 * domains, keep-alive requests of 32 connections.
 *
 *     scripts/bench http [--quick] [--save]
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import minimist from 'minimist';
import { Bed } from './bed/bed.ts';
import { machine, projectRoot, versions } from './bed/machine.ts';
import { run } from './bed/program.ts';
import { say, untilStopped } from './bed/until-stopped.ts';
import { type HttpResults, type HttpRun, summarise, table } from './http/figures.ts';
import { askedDomain, type HttpPathName, startEtcd, startGateway, startHaproxy } from './http/programs.ts';
import { wrk } from './load/wrk.ts';
import { httpPort, smallPath, startBackend } from './paths/backend.ts';

const usage = `Measures nuncio gateway against HAProxy in http mode, in network namespaces of its own. Root only.

    scripts/bench http [--quick] [--save]

--quick      two rounds of one second
--save       write docs/benchmarks/http.json; a whole run does so anyway`;

const paths: readonly HttpPathName[] = ['haproxy', 'nuncio-gateway'];
const domainCounts = [1, 1000];
const settleMs = 2000;

interface Lengths {
  readonly rounds: number;
  readonly seconds: number;
}

/** Waits until the domain is served. @throws Error after 30 s, with what was answered */
async function untilServed(bed: Bed, domain: string): Promise<void> {
  const url = `http://${bed.ambassador.ip}:${httpPort}${smallPath}`;
  let last = '';
  for (let tries = 0; tries < 300; tries++) {
    const command = `curl -s -m 2 -H 'Host: ${domain}' ${url} || true`;
    last = await run(bed.caller, 'sh', ['-c', command], { limitMs: 10_000 });
    if (last === 'served\n') return;
    await delay(100);
  }
  throw new Error(`${domain} is not served: ${last.slice(0, 200)}`);
}

async function measure(
  bed: Bed,
  path: HttpPathName,
  domains: number,
  round: number,
  { seconds }: Lengths,
  signal: AbortSignal,
): Promise<HttpRun> {
  await using program = path === 'haproxy' ? await startHaproxy(bed, domains) : startGateway(bed);
  const domain = askedDomain(domains);
  await Promise.race([untilServed(bed, domain), program.failsWhenEnded()]);
  await delay(settleMs, undefined, { signal });
  const { rssMb } = await program.usage();
  const url = `http://${bed.ambassador.ip}:${httpPort}${smallPath}`;
  const options = { url, keepAlive: true, headers: [`Host: ${domain}`], signal };
  await wrk(bed.caller, { ...options, seconds: 1 });
  const before = await program.usage();
  const report = await wrk(bed.caller, { ...options, seconds });
  const after = await program.usage();
  return {
    ...{ path, domains, round },
    keepaliveRps: report.requestsPerS,
    p50us: report.p50us,
    p99us: report.p99us,
    rssIdleMb: rssMb,
    cpuSecondsPer10k: ((after.cpuSeconds - before.cpuSeconds) / report.requests) * 10_000,
    errors: report.errors,
  };
}

async function measureAll(lengths: Lengths, signal: AbortSignal): Promise<readonly HttpRun[]> {
  await using bed = await Bed.build();
  await using _ = await startBackend(bed);
  const runs: HttpRun[] = [];
  for (const domains of domainCounts) {
    await using _etcd = await startEtcd(bed, domains);
    for (let round = 1; round <= lengths.rounds; round++) {
      for (const path of paths) {
        signal.throwIfAborted();
        const measured = await measure(bed, path, domains, round, lengths, signal);
        runs.push(measured);
        const { keepaliveRps, p50us, p99us, errors } = measured;
        const figures = `${keepaliveRps.toFixed(0)} requests/s, p50 ${p50us} us, p99 ${p99us} us, failed ${errors}`;
        say(`round ${round}/${lengths.rounds}  ${path.padEnd(14)} ${domains} domain(s)  ${figures}`);
      }
    }
  }
  return runs;
}

async function main(): Promise<number> {
  const given = minimist(process.argv.slice(2), { boolean: ['quick', 'save', 'help'] });
  if (given.help === true) {
    console.log(usage);
    return 0;
  }
  const lengths: Lengths = given.quick === true ? { rounds: 2, seconds: 1 } : { rounds: 5, seconds: 4 };
  return untilStopped(async (signal) => {
    const date = new Date().toISOString();
    const runs = await measureAll(lengths, signal);
    const results: HttpResults = {
      ...{ date, machine: machine(), versions: await versions() },
      ...lengths,
      ...summarise(runs),
      runs,
    };
    console.log(`\n${table(results)}`);
    const isPublished = given.quick !== true || given.save === true;
    const folder = join(projectRoot, isPublished ? 'docs/benchmarks' : '.cache/bench');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'http.json'), `${JSON.stringify(results, null, 2)}\n`);
    say(`written: ${isPublished ? 'docs/benchmarks' : '.cache/bench'}/http.json`);
  });
}

process.exitCode = await main();
