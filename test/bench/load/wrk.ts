/** Requests by wrk, one thread, 32 connections. */
import { type Place, run } from '../bed/program.ts';

const connections = 32;

export interface WrkReport {
  readonly requestsPerS: number;
  readonly requests: number;
  readonly p50us: number;
  readonly p99us: number;
  /** Answers other than 2xx and 3xx, failed connects, reads, writes, and time-outs. */
  readonly errors: number;
}

export interface WrkOptions {
  readonly url: string;
  readonly seconds: number;
  /** False: each request has a connection of its own. */
  readonly keepAlive: boolean;
  /** Each `Name: value`. */
  readonly headers?: readonly string[];
  readonly signal: AbortSignal;
}

/** @throws Error where wrk fails */
export async function wrk(place: Place, options: WrkOptions): Promise<WrkReport> {
  const { url, seconds, keepAlive, headers = [], signal } = options;
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '--timeout', '5s'];
  for (const header of keepAlive ? headers : [...headers, 'Connection: close']) args.push('-H', header);
  return parseWrk(await run(place, 'wrk', [...args, url], { limitMs: seconds * 1000 + 20_000, signal }));
}

const microseconds: Readonly<Record<string, number>> = { us: 1, ms: 1000, s: 1_000_000, m: 60_000_000 };

/** @throws Error where the text is not wrk's */
export function parseWrk(text: string): WrkReport {
  function number(pattern: RegExp): number {
    const found = pattern.exec(text)?.[1];
    if (found === undefined) throw new Error(`wrk: no ${pattern} in:\n${text}`);
    return Number(found);
  }
  function percentile(percent: number): number {
    const [, value, unit = ''] =
      new RegExp(`^\\s*${percent}%\\s+([\\d.]+)(us|ms|s|m)\\s*$`, 'm').exec(text) ?? [];
    if (value === undefined) throw new Error(`wrk: no ${percent}% in:\n${text}`);
    return Number(value) * (microseconds[unit] ?? Number.NaN);
  }
  const [, ...failures] =
    /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text) ?? [];
  const refused = /Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0;
  return {
    requestsPerS: number(/^Requests\/sec:\s+([\d.]+)/m),
    requests: number(/^\s*(\d+) requests in/m),
    p50us: percentile(50),
    p99us: percentile(99),
    errors: failures.reduce((sum, count) => sum + Number(count), Number(refused)),
  };
}
