import { median } from '../report/summary.ts';
import type { HttpPathName } from './programs.ts';

/** One measurement. */
export interface HttpRun {
  readonly path: HttpPathName;
  readonly domains: number;
  readonly round: number;
  readonly keepaliveRps: number;
  readonly p50us: number;
  readonly p99us: number;
  /** Resident, before any request. */
  readonly rssIdleMb: number;
  /** Of the proxy, for 10,000 requests. */
  readonly cpuSecondsPer10k: number;
  readonly errors: number;
}

const kinds = ['keepaliveRps', 'p50us', 'p99us', 'rssIdleMb', 'cpuSecondsPer10k', 'errors'] as const;
export type HttpFigures = Pick<HttpRun, (typeof kinds)[number]>;

export interface HttpResults {
  readonly date: string;
  readonly machine: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly rounds: number;
  readonly seconds: number;
  /** By path, then by number of domains: medians. */
  readonly paths: Readonly<Record<string, Readonly<Record<string, HttpFigures>>>>;
  /** By number of domains: requests of Nuncio to those of HAProxy, the median of the rounds' own ratios. */
  readonly ratioToHaproxy: Readonly<Record<string, number>>;
  readonly runs: readonly HttpRun[];
}

/** The issue's: half of HAProxy's requests. */
export const target = 0.5;

export function summarise(runs: readonly HttpRun[]): Pick<HttpResults, 'paths' | 'ratioToHaproxy'> {
  const paths: Record<string, Record<string, HttpFigures>> = {};
  for (const [path, own] of Map.groupBy(runs, (run) => run.path)) {
    paths[path] = {};
    for (const [domains, same] of Map.groupBy(own, (run) => run.domains)) {
      const medians = kinds.map((kind) => [kind, median(same.map((run) => run[kind])) ?? Number.NaN]);
      paths[path][domains] = Object.fromEntries(medians) as unknown as HttpFigures;
    }
  }
  const ratioToHaproxy: Record<string, number> = {};
  for (const [domains, same] of Map.groupBy(runs, (run) => run.domains)) {
    const ratios = [...Map.groupBy(same, (run) => run.round).values()].flatMap((round) => {
      const of = (path: HttpPathName) => round.find((run) => run.path === path)?.keepaliveRps;
      const [ours, theirs] = [of('nuncio-gateway'), of('haproxy')];
      return ours === undefined || theirs === undefined ? [] : [ours / theirs];
    });
    if (ratios.length > 0) ratioToHaproxy[domains] = Math.round((median(ratios) ?? Number.NaN) * 100) / 100;
  }
  return { paths, ratioToHaproxy };
}

/** The results for a terminal. */
export function table({ paths, ratioToHaproxy }: Pick<HttpResults, 'paths' | 'ratioToHaproxy'>): string {
  const rows = [['path', 'domains', 'requests/s', 'p50 us', 'p99 us', 'idle MB', 'CPU s/10k', 'failed']];
  for (const [path, byDomains] of Object.entries(paths)) {
    for (const [domains, f] of Object.entries(byDomains)) {
      const figures = [f.keepaliveRps, f.p50us, f.p99us, f.rssIdleMb].map((value) => value.toFixed(0));
      rows.push([path, domains, ...figures, f.cpuSecondsPer10k.toFixed(2), f.errors.toFixed(0)]);
    }
  }
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '));
  const ratios = Object.entries(ratioToHaproxy).map(
    ([domains, ratio]) =>
      `to HAProxy at ${domains} domain(s): ${ratio.toFixed(2)} (target ${target}: ${ratio >= target ? 'met' : 'missed'})`,
  );
  return [...lines, ...ratios].join('\n');
}
