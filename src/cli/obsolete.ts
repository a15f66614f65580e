/** What the predecessors took and Nuncio has no use for: accepted, with one line that says why. */
import type { Environment } from './values.ts';

export interface ObsoleteFlag {
  readonly name: string;
  /** Present where the flag takes a value, which is then taken too. */
  readonly value?: string;
  /** Completes "has no effect: …". */
  readonly why: string;
}

const logging = 'the log goes to standard output; --log-level sets how much of it';

export const obsoleteFlags: readonly ObsoleteFlag[] = [
  { name: 'interface', value: 'NAME', why: 'the proxy listens on every address' },
  { name: 'resync', value: 'SECONDS', why: 'endpoints are watched, not read again from time to time' },
  { name: 'logtostderr', why: logging },
  { name: 'alsologtostderr', why: logging },
  { name: 'stderrthreshold', value: 'LEVEL', why: logging },
  { name: 'log_dir', value: 'DIR', why: logging },
  { name: 'log_backtrace_at', value: 'FILE:LINE', why: logging },
  { name: 'vmodule', value: 'PATTERN=N', why: logging },
  { name: 'marathon-port', value: 'PORT', why: 'Marathon is no longer a source of endpoints' },
];

/** Variables of embassy's image. */
const obsoleteVariables: Readonly<Record<string, string>> = {
  INTERFACE: 'the proxy listens on every address',
  IPTABLES_TRACK_HASHSIZE: 'embassy had switched it off; the kernel sizes the table by nf_conntrack_max',
};

/** @param given names of the obsolete flags on a command line */
export function flagNotices(given: ReadonlySet<string>): string[] {
  return obsoleteFlags
    .filter(({ name }) => given.has(name))
    .map(({ name, why }) => `--${name} has no effect: ${why}`);
}

/** Variables of connectable. */
const connectableVariables: Readonly<Record<string, string>> = {
  LOOKUP_RESOLVER: 'each label says by its value how its backend is found',
  LOOKUP_DEBUG: '--log-level debug, or LOG_LEVEL=debug, tells how backends are found',
};

export function variableNotices(env: Environment): string[] {
  return noticesOf(obsoleteVariables, env);
}

export function connectableNotices(env: Environment): string[] {
  return noticesOf(connectableVariables, env);
}

function noticesOf(variables: Readonly<Record<string, string>>, env: Environment): string[] {
  return Object.entries(variables)
    .filter(([name]) => env[name])
    .map(([name, why]) => `${name} in the environment has no effect: ${why}`);
}
