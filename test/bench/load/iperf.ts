/** Bytes by iperf3: a server of its own for each run, because one that lost a client may stay busy. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { commandIn, type Place, run } from '../bed/program.ts';

export interface IperfReport {
  /** Received at the other end, 10^9 bit/s. */
  readonly gbps: number;
  readonly bytes: number;
}

export interface IperfOptions {
  readonly host: string;
  readonly port: number;
  readonly streams: number;
  readonly seconds: number;
  readonly signal: AbortSignal;
}

/** @param from where the client runs @param to where the server runs @throws Error where either fails */
export async function iperf(from: Place, to: Place, options: IperfOptions): Promise<IperfReport> {
  const { host, port, streams, seconds, signal } = options;
  await using _ = await oneServer(to, port);
  const args = ['-J', '-c', host, '-p', String(port), '-P', String(streams), '-t', String(seconds)];
  return parseIperf(await run(from, 'iperf3', args, { limitMs: seconds * 1000 + 20_000, signal }));
}

async function oneServer(place: Place, port: number): Promise<AsyncDisposable> {
  const [file, args] = commandIn(place, 'iperf3', ['-s', '-1', '-p', String(port), '--forceflush']);
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  let said = '';
  child.stdout.on('data', (chunk) => {
    said += chunk;
  });
  while (!said.includes('Server listening')) {
    await Promise.race([once(child.stdout, 'data'), ended]);
    if (child.exitCode !== null) throw new Error(`iperf3 -s has ended: ${said.trim() || 'it said nothing'}`);
  }
  return {
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** @throws Error where the text is not an iperf3 report, or is the report of an error */
export function parseIperf(text: string): IperfReport {
  const report = JSON.parse(text) as {
    error?: string;
    end?: { sum_received?: { bits_per_second?: number; bytes?: number } };
  };
  const { bits_per_second: bitsPerS, bytes } = report.end?.sum_received ?? {};
  if (report.error !== undefined) throw new Error(`iperf3: ${report.error}`);
  if (bitsPerS === undefined || bytes === undefined)
    throw new Error('iperf3: a report without end.sum_received');
  return { gbps: bitsPerS / 1e9, bytes };
}
