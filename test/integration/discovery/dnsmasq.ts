import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { SocketAddress } from '../../../src/core/address.ts';

const binary = '/usr/sbin/dnsmasq';

/**
 * A real dnsmasq on loopback that knows what the test writes into its hosts file.
 *
 *     await using dns = await Dnsmasq.start(['--host-record=db.example,10.0.0.1'], '10.0.0.2 cache.example\n');
 *     await dns.rewrite('10.0.0.3 cache.example\n');
 */
export class Dnsmasq implements AsyncDisposable {
  readonly address: SocketAddress;
  readonly #folder: string;
  readonly #args: readonly string[];
  readonly #lines = new Lines();
  #child: ChildProcess | undefined;

  private constructor(address: SocketAddress, folder: string, args: readonly string[]) {
    this.address = address;
    this.#folder = folder;
    this.#args = args;
  }

  /**
   * @param args  records of their own
   * @param hosts text of the hosts file
   * @throws Error where dnsmasq is not installed (Debian: dnsmasq-base), or ends at once
   */
  static async start(args: readonly string[], hosts = ''): Promise<Dnsmasq> {
    const folder = await mkdtemp(join(tmpdir(), 'nci-dnsmasq-'));
    for (let round = 1; ; round++) {
      const server = new Dnsmasq({ ip: '127.0.0.1', port: await freePort() }, folder, args);
      try {
        await writeFile(server.#hostsPath, hosts);
        await server.run();
        return server;
      } catch (thrown) {
        // Somebody may have taken the port in between, or have it on the TCP side.
        await server.kill();
        if (round < 5) continue;
        await rm(folder, { recursive: true });
        throw thrown;
      }
    }
  }

  get #hostsPath(): string {
    return join(this.#folder, 'hosts');
  }

  /** Starts the process (again), and waits until it serves. */
  async run(): Promise<void> {
    const { ip, port } = this.address;
    const child = spawn(
      binary,
      [
        '--conf-file=/dev/null',
        '--no-resolv',
        '--no-hosts',
        '--no-daemon',
        '--bind-interfaces',
        `--listen-address=${ip}`,
        `--port=${port}`,
        '--user=root',
        '--local-ttl=1',
        `--pid-file=${join(this.#folder, 'pid')}`,
        `--addn-hosts=${this.#hostsPath}`,
        ...this.#args,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    this.#child = child;
    const failed = once(child, 'error').then(([cause]) => {
      throw new Error(`${binary} cannot be started: install dnsmasq-base`, { cause });
    });
    const loaded = this.#lines.next(/read .*hosts/);
    createInterface({ input: child.stderr }).on('line', (line) => this.#lines.add(line));
    const ended = once(child, 'exit').then(() => {
      throw new Error(`dnsmasq ended: ${this.#lines.last}`);
    });
    ended.catch(() => {});
    failed.catch(() => {});
    await Promise.race([loaded, failed, ended]);
  }

  /** Writes the hosts file anew and has it read (SIGHUP). */
  async rewrite(hosts: string): Promise<void> {
    await writeFile(this.#hostsPath, hosts);
    const loaded = this.#lines.next(/read .*hosts/);
    this.#child?.kill('SIGHUP');
    await loaded;
  }

  /** Ends the process; `run` brings it back on the same port. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true });
  }
}

/** Lines of a log, waited for by what they say. */
class Lines {
  #wanted: { pattern: RegExp; found: () => void } | undefined;
  last = '';

  add(line: string): void {
    this.last = line;
    if (!this.#wanted?.pattern.test(line)) return;
    this.#wanted.found();
    this.#wanted = undefined;
  }

  next(pattern: RegExp): Promise<void> {
    return new Promise((found) => {
      this.#wanted = { pattern, found };
    });
  }
}

/** A port that is free on loopback now; dnsmasq takes 0 to mean that it shall not serve DNS. */
async function freePort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}
