/**
 * A Docker engine of a test's own: network namespace, containerd, data and socket apart from the machine's engine, so
 * that a test may restart it, kill it and look at its rules, and nobody else notices.
 *
 *     const engine = await Engine.start();
 *     await copyImages(engine, ambassadorImage);
 *     await engine.docker.run({ image: ambassadorImage, name: 'backends', args: ['--omnimode'], volumes: [engine.socketMount] });
 *     await engine.close();
 *
 * Every test file starts one engine in `before` and closes it in `after`; a file's tests tidy up by `docker.clear()`.
 */
import { once } from 'node:events';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { command, output } from './command.ts';
import { Daemon } from './daemon.ts';
import { Docker } from './docker.ts';
import { endProcessesNaming, enginePrefix, removeOrphans, removeRemains } from './leftovers.ts';
import { requireMachine } from './machine.ts';

export interface EngineOptions {
  /** Containers go on while the daemon is away (`live-restore`); without it a daemon that ends takes them along. */
  readonly liveRestore?: boolean;
}

/** The default bridge's IPv6 prefix; every engine has a namespace of its own, so all may use the same. */
export const bridgePrefix6 = 'fd00:6e75:6e63::/64';

/** Longest wait for a daemon to come up or to end, ms. */
const daemonWaitMs = 60_000;

export class Engine implements AsyncDisposable {
  readonly docker: Docker;
  /** Path of the engine's socket on this machine. */
  readonly socket: string;
  /** Name of the network namespace that is this engine's host. */
  readonly namespace: string;
  readonly #directory: string;
  #containerd: Daemon | undefined;
  #dockerd: Daemon | undefined;

  private constructor(directory: string) {
    this.#directory = directory;
    this.namespace = basename(directory);
    this.socket = join(directory, 'docker.sock');
    this.docker = new Docker(this.socket);
  }

  /** @throws Error where root or a program is missing, or a daemon does not come up (with the end of its log) */
  static async start(options: EngineOptions = {}): Promise<Engine> {
    await requireMachine();
    await removeOrphans();
    const engine = new Engine(await mkdtemp(enginePrefix(process.pid)));
    try {
      await engine.#prepare(options);
      await engine.startDaemon();
      return engine;
    } catch (error) {
      await engine.close();
      throw error;
    }
  }

  /** The `volumes` entry that gives a container this engine's socket where everybody looks for it. */
  get socketMount(): string {
    return `${this.socket}:/var/run/docker.sock`;
  }

  /** Brings the daemon up again after `kill` or `stopDaemon`. */
  async startDaemon(): Promise<void> {
    const daemon = await this.#spawn('dockerd', ['--config-file', this.#path('daemon.json')]);
    this.#dockerd = daemon;
    await this.#until(daemon, async () => {
      return (await command('docker', ['-H', this.docker.host, 'version'])).code === 0;
    });
  }

  /** Asks the daemon to end, and waits for it; without live-restore its containers end too. */
  async stopDaemon(): Promise<void> {
    await this.#dockerd?.stop('SIGTERM', daemonWaitMs);
  }

  async restart(): Promise<void> {
    await this.stopDaemon();
    await this.startDaemon();
  }

  /** Kills the daemon where it stands. Its containers go on, until a daemon without live-restore comes up. */
  async kill(): Promise<void> {
    await this.#dockerd?.stop('SIGKILL', daemonWaitMs);
  }

  /** Runs a program on this engine's host: in its network namespace. @returns stdout, trimmed at the end */
  onHost(argv: readonly string[]): Promise<string> {
    return output('nsenter', [`--net=/run/netns/${this.namespace}`, ...argv]);
  }

  /** Runs this machine's program in the network namespace of a container. @returns stdout, trimmed at the end */
  async inNetworkOf(container: string, ...argv: readonly string[]): Promise<string> {
    const pid = await this.docker.inspect(container, '{{.State.Pid}}');
    return output('nsenter', [`--net=/proc/${pid}/ns/net`, ...argv]);
  }

  /** Removes everything: containers, daemons, mounts, namespace with its bridges and rules, files. Twice is once. */
  async close(): Promise<void> {
    if (this.#dockerd?.isRunning) {
      // What the engine cannot remove any more, the steps below take away.
      await this.docker.clear().catch(() => {});
      await this.#dockerd.stop('SIGTERM', daemonWaitMs);
    }
    await endProcessesNaming(this.#path('containerd.sock'), this.#containerd?.pid);
    await this.#containerd?.stop('SIGTERM', daemonWaitMs);
    await removeRemains(this.#directory);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }

  async #prepare(options: EngineOptions): Promise<void> {
    await output('ip', ['netns', 'add', this.namespace]);
    await output('ip', ['-n', this.namespace, 'link', 'set', 'lo', 'up']);
    const daemonSettings = {
      'data-root': this.#path('data'),
      'exec-root': this.#path('exec'),
      pidfile: this.#path('dockerd.pid'),
      hosts: [this.docker.host],
      containerd: this.#path('containerd.sock'),
      'live-restore': options.liveRestore ?? false,
      ipv6: true,
      'fixed-cidr-v6': bridgePrefix6,
    };
    await writeFile(this.#path('daemon.json'), JSON.stringify(daemonSettings));
    // dockerd would use the machine's containerd where one runs, and its containers would then live in the machine's
    // network whenever they ask for the host's.
    const containerdSettings = `version = 2
root = ${JSON.stringify(this.#path('containerd-data'))}
state = ${JSON.stringify(this.#path('containerd-state'))}
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = ${JSON.stringify(this.#path('containerd.sock'))}
`;
    await writeFile(this.#path('containerd.toml'), containerdSettings);
    await mkdir(this.#path('data'));
    const daemon = await this.#spawn('containerd', ['--config', this.#path('containerd.toml')]);
    this.#containerd = daemon;
    await this.#until(daemon, () => accepts(this.#path('containerd.sock')));
  }

  /** nsenter, not `ip netns exec`: that one puts a new /sys in place, without the cgroups that a container needs. */
  #spawn(program: string, args: readonly string[]): Promise<Daemon> {
    const argv = [`--net=/run/netns/${this.namespace}`, program, ...args];
    return Daemon.spawn(program, 'nsenter', argv, this.#path(`${program}.log`));
  }

  async #until(daemon: Daemon, isReady: () => Promise<boolean>): Promise<void> {
    const deadline = AbortSignal.timeout(daemonWaitMs);
    while (!(await isReady())) {
      if (!daemon.isRunning || deadline.aborted) {
        const state = daemon.isRunning ? `is not ready after ${daemonWaitMs} ms` : 'ended';
        throw new Error(`${daemon.name} ${state}; the end of its log:\n${await daemon.logTail()}`);
      }
      await delay(50);
    }
  }
}

/** Whether somebody listens on a unix socket. */
async function accepts(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
