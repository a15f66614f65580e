import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Answer, Command, Dialled } from './puppet.ts';

const puppetPath = fileURLToPath(new URL('./puppet.ts', import.meta.url));

/** Hosts on one bridge, each a network namespace; the backend has several addresses. */
export const hosts = {
  ambassador: ['10.214.0.1', 'fd00:214::1'],
  'caller-a': ['10.214.0.21', 'fd00:214::21'],
  'caller-b': ['10.214.0.22', 'fd00:214::22'],
  backend: ['10.214.0.31', 'fd00:214::31', '10.214.0.32', '10.214.0.33'],
} as const;
export type HostName = keyof typeof hosts;

let count = 0;

/** A process in a namespace that does what it is told. */
export class Puppet {
  readonly #child: ChildProcess;
  readonly #lines: Interface;

  /** @param prefix a program that runs it, with arguments */
  constructor(namespace: string, prefix: readonly string[]) {
    const command = ['netns', 'exec', namespace, ...prefix, process.execPath, puppetPath];
    this.#child = spawn('ip', command, { stdio: ['pipe', 'pipe', 'inherit'] });
    assert.ok(this.#child.stdout);
    this.#lines = createInterface({ input: this.#child.stdout });
  }

  /** `ip netns exec` becomes the program that it runs. */
  get pid(): number {
    assert.ok(this.#child.pid);
    return this.#child.pid;
  }

  async tell(command: Command): Promise<Answer> {
    const answered = once(this.#lines, 'line', { signal: AbortSignal.timeout(20_000) });
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`);
    const [line] = await answered;
    return JSON.parse(String(line)) as Answer;
  }

  /** One command that has to succeed. */
  async ask<T = unknown>(command: Command): Promise<T> {
    const { value, error } = await this.tell(command);
    assert.equal(error, undefined, error?.message);
    return value as T;
  }

  /** What the other side said to each of so many connections; an error's code where there was none. */
  async dial(host: string, port: number, times = 1): Promise<string[]> {
    const dialled = await this.ask<Dialled[]>({ do: 'dial', host, port, times });
    return dialled.map(({ text }) => text);
  }

  async kill(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await ended;
  }
}

/** The hosts and their bridge. Removed on dispose, with the puppets in them. */
export class Bed implements AsyncDisposable {
  readonly #id = `nck-${process.pid}-${count++}`;
  readonly #puppets: Puppet[] = [];
  readonly #namespaces: string[] = [];

  constructor() {
    assert.equal(process.getuid?.(), 0, 'this test makes network namespaces and needs root: run it as root');
    this.#addNamespace('bridge');
    this.#ip(['-n', this.#name('bridge'), 'link', 'add', 'br0', 'type', 'bridge']);
    this.#ip(['-n', this.#name('bridge'), 'link', 'set', 'br0', 'up']);
    for (const [index, [host, addresses]] of Object.entries(hosts).entries()) {
      this.#addNamespace(host);
      const end = ['name', `p${index}`, 'netns', this.#name('bridge')];
      this.#ip(['link', 'add', 'eth0', 'netns', this.#name(host), 'type', 'veth', 'peer', ...end]);
      this.#ip(['-n', this.#name('bridge'), 'link', 'set', `p${index}`, 'master', 'br0', 'up']);
      for (const address of addresses) {
        const size = address.includes(':') ? [`${address}/64`, 'nodad'] : [`${address}/24`];
        this.#ip(['-n', this.#name(host), 'addr', 'add', ...size, 'dev', 'eth0']);
      }
      this.#ip(['-n', this.#name(host), 'link', 'set', 'eth0', 'up']);
    }
  }

  /** @param without capabilities that it has to do without */
  puppet(host: HostName, without: readonly string[] = []): Puppet {
    const bounds = without.map((name) => `-${name}`).join(',');
    return this.#puppet(
      host,
      without.length === 0 ? [] : ['setpriv', '--bounding-set', bounds, '--inh-caps', bounds],
    );
  }

  /** A puppet of another user. */
  puppetAs(host: HostName, user: number): Puppet {
    return this.#puppet(host, ['setpriv', '--reuid', String(user), '--clear-groups']);
  }

  /** Runs `ip` in a host's namespace. */
  ipIn(host: HostName, args: readonly string[]): void {
    this.#ip(['-n', this.#name(host), ...args]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const puppet of this.#puppets) await puppet.end();
    for (const name of this.#namespaces) this.#ip(['netns', 'del', name]);
  }

  #puppet(host: HostName, prefix: readonly string[]): Puppet {
    const puppet = new Puppet(this.#name(host), prefix);
    this.#puppets.push(puppet);
    return puppet;
  }

  #name(host: string): string {
    return `${this.#id}-${host}`;
  }

  #addNamespace(host: string): void {
    this.#ip(['netns', 'add', this.#name(host)]);
    this.#namespaces.push(this.#name(host));
    this.#ip(['-n', this.#name(host), 'link', 'set', 'lo', 'up']);
  }

  #ip(args: readonly string[]): void {
    execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  }
}
