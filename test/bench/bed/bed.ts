/**
 * Three hosts on a bridge, made of network namespaces: a caller, an ambassador, a backend.
 *
 *     await using bed = await Bed.build();
 *     await run(bed.caller, 'wrk', ['http://10.214.0.4:8080/'], { limitMs: 10_000 });
 *
 * The bridge has a namespace of its own: the host's rules (Docker sets FORWARD to DROP) do not see its packets, and
 * nothing of the host's is changed. On dispose all of it goes; stop the programs in it first.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Place, run } from './program.ts';

const execute = promisify(execFile);
const prefix = 'nuncio-bench-';
/** Entries of the connection table that a run of short connections needs, with room. */
const trackedConnections = 131_072;
const trackedMaxFile = '/proc/sys/net/netfilter/nf_conntrack_max';

export interface Host extends Place {
  readonly ip: string;
}

/** Addresses that lead to the backend as well as its own, so that each of many routes can have an endpoint of its own. */
export const backendAliases = { net: '10.214.128.0/17', first: [10, 214, 128, 1] } as const;

const settings = [
  // A run of short connections eats 28,000 ports in seconds, and would measure TIME_WAIT from then on.
  'net.ipv4.ip_local_port_range=1024 65535',
  'net.ipv4.tcp_tw_reuse=1',
  'net.core.somaxconn=4096',
  'net.ipv4.tcp_max_syn_backlog=8192',
  // The one that every kernel has and allows in a namespace. BBR, the default of some machines, sends by the clock: over a
  // bridge inside of one machine its timers are what would be measured, at a fifth of the speed.
  'net.ipv4.tcp_congestion_control=reno',
];

export class Bed implements AsyncDisposable {
  readonly caller: Host = { namespace: `${prefix}${process.pid}-caller`, ip: '10.214.0.2' };
  readonly ambassador: Host = { namespace: `${prefix}${process.pid}-ambassador`, ip: '10.214.0.3' };
  readonly backend: Host = { namespace: `${prefix}${process.pid}-backend`, ip: '10.214.0.4' };
  /** For configurations, logs, sockets. */
  readonly folder: string;
  readonly #bridge = `${prefix}${process.pid}-bridge`;
  #trackedMaxBefore: string | undefined;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** @throws Error that says what the machine did not allow; nothing is left then */
  static async build(): Promise<Bed> {
    if (process.getuid?.() !== 0) throw new Error('the benchmark makes network namespaces: run it as root');
    await removeLeftovers();
    const bed = new Bed(await mkdtemp(join(tmpdir(), `${prefix}${process.pid}-`)));
    try {
      await bed.#build();
    } catch (thrown) {
      await bed[Symbol.asyncDispose]();
      throw thrown;
    }
    return bed;
  }

  /** Forgets the ambassador's tracked connections, so that one run does not fill the table of the next. */
  async forgetConnections(): Promise<void> {
    await run(this.ambassador, 'conntrack', ['-F'], { limitMs: 10_000 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { namespace } of this.#places()) await removeNamespace(namespace);
    await rm(this.folder, { recursive: true, force: true });
    if (this.#trackedMaxBefore !== undefined) await writeFile(trackedMaxFile, this.#trackedMaxBefore);
    this.#trackedMaxBefore = undefined;
  }

  #places(): readonly Place[] {
    return [this.caller, this.ambassador, this.backend, { namespace: this.#bridge }];
  }

  async #build(): Promise<void> {
    for (const { namespace } of this.#places()) await ip('netns', 'add', namespace);
    const bridge = ['-n', this.#bridge];
    await ip(...bridge, 'link', 'add', 'br0', 'type', 'bridge');
    await ip(...bridge, 'link', 'set', 'br0', 'up');
    // Absent where the bridge does not pass packets to netfilter anyway.
    await run({ namespace: this.#bridge }, 'sysctl', ['-qw', 'net.bridge.bridge-nf-call-iptables=0'], {
      limitMs: 5000,
    }).catch(() => {});
    for (const [index, host] of [this.caller, this.ambassador, this.backend].entries()) {
      const peer = ['peer', 'name', `port${index}`, 'netns', this.#bridge];
      await ip('link', 'add', 'eth0', 'netns', host.namespace, 'type', 'veth', ...peer);
      await ip(...bridge, 'link', 'set', `port${index}`, 'master', 'br0', 'up');
      await ip('-n', host.namespace, 'addr', 'add', `${host.ip}/24`, 'dev', 'eth0');
      for (const device of ['lo', 'eth0']) await ip('-n', host.namespace, 'link', 'set', device, 'up');
      await run(host, 'sysctl', ['-qw', ...settings], { limitMs: 5000 });
    }
    await ip('-n', this.backend.namespace, 'route', 'add', 'local', backendAliases.net, 'dev', 'lo');
    for (const { namespace } of [this.caller, this.ambassador]) {
      await ip('-n', namespace, 'route', 'add', backendAliases.net, 'via', this.backend.ip);
    }
    await this.#raiseTrackedMax();
  }

  /** One figure for the whole machine, so it is put back. */
  async #raiseTrackedMax(): Promise<void> {
    const before = await readFile(trackedMaxFile, 'utf8').catch(() => undefined);
    if (before === undefined || Number(before) >= trackedConnections) return;
    await writeFile(trackedMaxFile, String(trackedConnections));
    this.#trackedMaxBefore = before;
  }
}

async function ip(...args: readonly string[]): Promise<void> {
  try {
    await execute('ip', [...args], { timeout: 10_000 });
  } catch (thrown) {
    const said = (thrown as { stderr?: string }).stderr?.trim() ?? String(thrown);
    throw new Error(`ip ${args.join(' ')}: ${said}`, { cause: thrown });
  }
}

async function removeNamespace(name: string): Promise<void> {
  const names = await readdir('/run/netns').catch((): string[] => []);
  if (names.includes(name)) await ip('netns', 'del', name);
}

/**
 * What a benchmark that was killed has left: its programs have died with it, but not their children (nginx's worker),
 * its namespaces and its folder.
 */
async function removeLeftovers(): Promise<void> {
  for (const namespace of await namesOfTheDead('/run/netns')) {
    const { stdout } = await execute('ip', ['netns', 'pids', namespace]);
    for (const pid of stdout.split('\n').filter(Boolean)) process.kill(Number(pid), 'SIGKILL');
    await ip('netns', 'del', namespace);
  }
  for (const folder of await namesOfTheDead(tmpdir())) await rm(join(tmpdir(), folder), { recursive: true });
}

/** Names in a folder that say which benchmark made them, where that one has ended. */
async function namesOfTheDead(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch((): string[] => []);
  return names.filter((name) => {
    const pid = new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1];
    return pid !== undefined && !existsSync(`/proc/${pid}`);
  });
}
