import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const binary = '/usr/bin/etcd';
const run = promisify(execFile);

/** Files in PEM form; the client's serve the test's own calls. */
export interface EtcdCertificates {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly clientCert: string;
  readonly clientKey: string;
}

interface Member {
  readonly name: string;
  readonly port: number;
  readonly peerPort: number;
}

/**
 * A real etcd on loopback, one process of a cluster of one or more.
 *
 *     await using etcd = await EtcdServer.start();
 *     await etcd.put('/services/web', '10.0.0.1:80');
 */
export class EtcdServer implements AsyncDisposable {
  readonly host = '127.0.0.1';
  readonly port: number;
  readonly #self: Member;
  readonly #cluster: readonly Member[];
  readonly #certificates: EtcdCertificates | undefined;
  readonly #folder: string;
  #child: ChildProcess | undefined;

  private constructor(
    self: Member,
    cluster: readonly Member[],
    folder: string,
    certificates?: EtcdCertificates,
  ) {
    this.port = self.port;
    this.#self = self;
    this.#cluster = cluster;
    this.#folder = folder;
    this.#certificates = certificates;
  }

  /** @throws Error where etcd is not installed (Debian: etcd-server, etcd-client), or does not come up */
  static async start(certificates?: EtcdCertificates): Promise<EtcdServer> {
    const [server] = await EtcdServer.startCluster(1, certificates);
    assert.ok(server !== undefined);
    return server;
  }

  /** Starts several that are one cluster, and waits until each serves. */
  static async startCluster(size: number, certificates?: EtcdCertificates): Promise<readonly EtcdServer[]> {
    assert.ok(existsSync(binary), `there is no ${binary}: install etcd-server and etcd-client`);
    for (let round = 1; ; round++) {
      const ports = await freePorts(2 * size);
      const cluster = Array.from({ length: size }, (_, index) => ({
        name: `n${index}`,
        port: ports[2 * index] ?? 0,
        peerPort: ports[2 * index + 1] ?? 0,
      }));
      const folders = await Promise.all(cluster.map(() => mkdtemp(join(tmpdir(), 'nci-etcd-'))));
      const servers = cluster.map((self, i) => new EtcdServer(self, cluster, folders[i] ?? '', certificates));
      try {
        await Promise.all(servers.map((server) => server.run()));
        return servers;
      } catch (thrown) {
        // Somebody may have taken a port in between.
        for (const server of servers) await server[Symbol.asyncDispose]();
        if (round === 3) throw thrown;
      }
    }
  }

  /** Starts the process (again), and waits until it serves. */
  async run(): Promise<void> {
    const { name, port, peerPort } = this.#self;
    const scheme = this.#certificates === undefined ? 'http' : 'https';
    const peers = this.#cluster.map((member) => `${member.name}=http://${this.host}:${member.peerPort}`);
    const files = this.#certificates;
    const tls =
      files === undefined
        ? []
        : [
            ...['--client-cert-auth', `--trusted-ca-file=${files.ca}`],
            ...[`--cert-file=${files.cert}`, `--key-file=${files.key}`],
          ];
    const child = spawn(
      binary,
      [
        ...[`--name=${name}`, `--data-dir=${join(this.#folder, 'data')}`],
        `--listen-client-urls=${scheme}://${this.host}:${port}`,
        `--advertise-client-urls=${scheme}://${this.host}:${port}`,
        `--listen-peer-urls=http://${this.host}:${peerPort}`,
        `--initial-advertise-peer-urls=http://${this.host}:${peerPort}`,
        `--initial-cluster=${peers}`,
        ...['--heartbeat-interval=50', '--election-timeout=500', '--logger=zap', '--log-outputs=stderr'],
        ...tls,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    this.#child = child;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let last = '';
    createInterface({ input: child.stderr }).on('line', (line) => {
      last = line;
      if (line.includes('serving client traffic')) resolve();
    });
    child.once('exit', () => reject(new Error(`etcd ended: ${last}`)));
    child.once('error', (cause) => reject(new Error(`${binary} cannot be started`, { cause })));
    await promise;
  }

  /** Ends the process; `run` brings it back on the same port, with its data unless they are wiped. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  /** Accepts connections and never answers, until `thaw`. */
  freeze(): void {
    this.#child?.kill('SIGSTOP');
    const isStopped = () => {
      const tasks = readdirSync(`/proc/${this.#child?.pid}/task`);
      return tasks.every((task) =>
        / T /.test(readFileSync(`/proc/${this.#child?.pid}/task/${task}/stat`, 'utf8')),
      );
    };
    for (let round = 0; !isStopped(); round++) assert.ok(round < 100_000, 'etcd stops when it is told to');
  }

  thaw(): void {
    this.#child?.kill('SIGCONT');
  }

  async wipe(): Promise<void> {
    await rm(join(this.#folder, 'data'), { recursive: true, force: true });
  }

  /** Runs etcdctl. @returns what it prints */
  async ctl(...args: readonly string[]): Promise<string> {
    const files = this.#certificates;
    const tls =
      files === undefined
        ? []
        : [`--cacert=${files.ca}`, `--cert=${files.clientCert}`, `--key=${files.clientKey}`];
    const scheme = files === undefined ? 'http' : 'https';
    const endpoint = `--endpoints=${scheme}://${this.host}:${this.port}`;
    const env = { ...process.env, ETCDCTL_API: '3' };
    const { stdout } = await run('/usr/bin/etcdctl', [endpoint, ...tls, ...args], { env, timeout: 20_000 });
    return stdout.trim();
  }

  async put(key: string, value: string): Promise<void> {
    await this.ctl('put', '--', key, value);
  }

  async remove(key: string): Promise<void> {
    await this.ctl('del', '--', key);
  }

  /** Forgets all changes up to now. */
  async compact(): Promise<void> {
    const [{ Status }] = JSON.parse(await this.ctl('endpoint', 'status', '-w', 'json'));
    await this.ctl('compaction', `${Status.header.revision}`);
  }

  /** Established connections to the client port, both ends on this machine. */
  async connections(): Promise<number> {
    const { stdout } = await run('/usr/bin/ss', ['-Htn', 'state', 'established', `dport = :${this.port}`]);
    return stdout.split('\n').filter((line) => line !== '').length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Ports that are free on loopback now. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  for (const server of servers) {
    server.close();
    await once(server, 'close');
  }
  return ports;
}
