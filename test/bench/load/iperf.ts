/** Bytes by iperf3; its server is a part of the backend (paths/backend.ts). */
import { canonicalIp } from '../../../src/core/address.ts';
import { type Place, run } from '../bed/program.ts';

export interface IperfReport {
  /** Received at the other end, 10^9 bit/s. */
  readonly gbps: number;
  readonly bytes: number;
  /** Addresses that the server has seen the streams come from. */
  readonly sources: readonly string[];
}

export interface IperfOptions {
  readonly host: string;
  readonly port: number;
  readonly streams: number;
  readonly seconds: number;
  readonly signal: AbortSignal;
}

/** @throws Error where it fails, with what it said */
export async function iperf(place: Place, options: IperfOptions): Promise<IperfReport> {
  const { host, port, streams, seconds, signal } = options;
  const sizes = ['-P', String(streams), '-t', String(seconds)];
  const args = ['-J', '--get-server-output', '-c', host, '-p', String(port), ...sizes];
  return parseIperf(await run(place, 'iperf3', args, { limitMs: seconds * 1000 + 20_000, signal }));
}

interface Report {
  readonly error?: string;
  readonly end?: { readonly sum_received?: { readonly bits_per_second?: number; readonly bytes?: number } };
  readonly server_output_json?: {
    readonly start?: { readonly connected?: readonly { readonly remote_host?: string }[] };
  };
}

/** @throws Error where the text is not an iperf3 report with the server's own, or is the report of an error */
export function parseIperf(text: string): IperfReport {
  const report = JSON.parse(text) as Report;
  const { bits_per_second: bitsPerS, bytes } = report.end?.sum_received ?? {};
  const connected = report.server_output_json?.start?.connected;
  if (report.error !== undefined) throw new Error(`iperf3: ${report.error}`);
  if (bitsPerS === undefined || bytes === undefined)
    throw new Error('iperf3: a report without end.sum_received');
  if (connected === undefined) throw new Error("iperf3: a report without the server's connections");
  const sources = connected.map(({ remote_host: ip = '' }) => canonicalIp(ip) ?? ip);
  return { gbps: bitsPerS / 1e9, bytes, sources: [...new Set(sources)] };
}
