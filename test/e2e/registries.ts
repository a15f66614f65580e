/**
 * A real etcd, Consul and DNS server on an engine's host, where its containers find them.
 *
 *     const registries = await Registries.start(engine);
 *     await registries.etcd('put', '/services/redis', '172.17.0.2:6379');
 *     await docker.run({ …, args: [`etcd://${registries.host}:2379/services/redis`] });
 *     await registries.close();
 */
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { consulBinary } from '../integration/discovery/consul-agent.ts';
import { Daemon } from './daemon.ts';
import type { Engine } from './engine.ts';
import { until } from './until.ts';

export class Registries implements AsyncDisposable {
  /** The engine's host as the containers of its default bridge see it. */
  readonly host: string;
  readonly #engine: Engine;
  readonly #folder: string;
  readonly #daemons = new Map<string, Daemon>();

  private constructor(engine: Engine, host: string, folder: string) {
    this.#engine = engine;
    this.host = host;
    this.#folder = folder;
  }

  /**
   * etcd at 2379 and 4001, Consul at 8500, its DNS at 8600, and at 53 a server that knows `name`s and asks Consul for what
   * ends in `.consul`.
   *
   * @throws Error where one is not installed or does not come up
   */
  static async start(engine: Engine): Promise<Registries> {
    const address = await engine.onHost(['ip', '-4', '-o', 'address', 'show', 'docker0']);
    const host = /inet ([\d.]+)/.exec(address)?.[1] ?? '';
    const registries = new Registries(engine, host, await mkdtemp(join(tmpdir(), 'nce-registries-')));
    const starts = [registries.startEtcd(), registries.#startConsul(), registries.#startDns()];
    // What is still starting could not be closed.
    const failed = (await Promise.allSettled(starts)).find(({ status }) => status === 'rejected');
    if (failed?.status !== 'rejected') return registries;
    await registries.close();
    throw failed.reason;
  }

  /** Runs etcdctl. @returns what it prints */
  etcd(...args: readonly string[]): Promise<string> {
    return this.#engine.onHost(['env', 'ETCDCTL_API=3', 'etcdctl', ...args]);
  }

  /** Runs Consul's own command. @returns what it prints */
  consul(...args: readonly string[]): Promise<string> {
    return this.#engine.onHost([consulBinary(), ...args]);
  }

  /** A question to Consul's HTTP API. @returns the answer's text */
  consulApi(path: string): Promise<string> {
    return this.#engine.onHost(['busybox', 'wget', '-Y', 'off', '-qO-', `http://127.0.0.1:8500${path}`]);
  }

  /** Makes a name known to DNS, or gives it another address. */
  async name(name: string, ip: string): Promise<void> {
    const draft = join(this.#folder, `.${name}`);
    await writeFile(draft, `${ip} ${name}\n`);
    await rename(draft, join(this.#folder, 'names', name));
  }

  /** Kills etcd where it stands; `startEtcd` brings it back with its data. */
  async killEtcd(): Promise<void> {
    await this.#daemons.get('etcd')?.stop('SIGKILL', 5000);
  }

  /** What etcd has kept, while it does not run. */
  async wipeEtcd(): Promise<void> {
    await rm(join(this.#folder, 'etcd'), { recursive: true, force: true });
  }

  async startEtcd(): Promise<void> {
    const peer = 'http://127.0.0.1:2380';
    await this.#spawn('etcd', [
      ...['etcd', '--name=one', `--data-dir=${join(this.#folder, 'etcd')}`],
      '--listen-client-urls=http://0.0.0.0:2379,http://0.0.0.0:4001',
      `--advertise-client-urls=http://${this.host}:2379`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=one=${peer}`,
    ]);
    await this.#answers('etcd', () => this.etcd('get', 'x'));
  }

  /** Ends the programs and removes what they wrote. Twice is once. */
  async close(): Promise<void> {
    for (const daemon of this.#daemons.values()) await daemon.stop('SIGKILL', 5000);
    await rm(this.#folder, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #startConsul(): Promise<void> {
    await this.#spawn('consul', [
      consulBinary(),
      'agent',
      '-dev',
      '-client=0.0.0.0',
      '-bind=127.0.0.1',
      '-hcl=disable_update_check = true',
    ]);
    await this.#answers('consul', () => this.consul('kv', 'put', 'ready', 'yes'));
  }

  async #startDns(): Promise<void> {
    const names = join(this.#folder, 'names');
    await this.#engine.onHost(['mkdir', names]);
    // A folder of hosts files is read again by inotify whenever one comes or changes.
    await this.#spawn('dnsmasq', [
      ...['dnsmasq', '--keep-in-foreground', '--conf-file=/dev/null', '--no-resolv', '--no-hosts'],
      ...[`--hostsdir=${names}`, '--server=/consul/127.0.0.1#8600', `--listen-address=${this.host}`],
      ...['--bind-interfaces', '--user=root', '--pid-file=', '--local-ttl=1', '--no-negcache'],
    ]);
  }

  /** Starts a program on the engine's host. */
  async #spawn(name: string, argv: readonly string[]): Promise<void> {
    const args = [`--net=/run/netns/${this.#engine.namespace}`, ...argv];
    this.#daemons.set(name, await Daemon.spawn(name, 'nsenter', args, join(this.#folder, `${name}.log`)));
  }

  async #answers(name: string, ask: () => Promise<string>): Promise<void> {
    const look = async () => (await ask().catch(() => undefined)) !== undefined || undefined;
    const otherwise = () => this.#daemons.get(name)?.logTail() ?? '';
    await until(`${name} to answer`, look, { withinMs: 20_000, otherwise });
  }
}
