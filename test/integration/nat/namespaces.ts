import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Answer, Command } from './puppet.ts';

const puppetPath = fileURLToPath(new URL('./puppet.ts', import.meta.url));
let count = 0;

/** The ambassador's own addresses, and those of the caller at the other end of the wire. */
export const own = { 4: '10.213.0.1', 6: 'fd00:213::1' } as const;
export const peer = { 4: '10.213.0.2', 6: 'fd00:213::2' } as const;

export interface PuppetOptions {
  /** Only these programs are in its PATH. */
  readonly programs?: readonly string[];
  /** Capabilities that it does without. */
  readonly without?: readonly string[];
}

/** A process in a namespace that does what it is told. */
export class Puppet {
  readonly #child: ChildProcess;
  readonly #lines: Interface;

  constructor(namespace: string, path: string, without: readonly string[]) {
    const bounds = without.map((name) => `-${name}`).join(',');
    const prefix = without.length === 0 ? [] : ['setpriv', '--bounding-set', bounds, '--inh-caps', bounds];
    const command = [
      'netns',
      'exec',
      namespace,
      ...prefix,
      'env',
      `PATH=${path}`,
      process.execPath,
      puppetPath,
    ];
    this.#child = spawn('ip', command, { stdio: ['pipe', 'pipe', 'inherit'] });
    assert.ok(this.#child.stdout);
    this.#lines = createInterface({ input: this.#child.stdout });
  }

  /** One command, whatever comes of it. */
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

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await ended;
  }
}

/** A namespace as the ambassador's, and one as a caller's, joined by a wire. Removed on dispose, with the puppets in them. */
export class Namespaces {
  readonly #own: string;
  readonly #peer: string;
  readonly #puppets: Puppet[] = [];
  readonly #folders: string[] = [];

  constructor() {
    assert.equal(process.getuid?.(), 0, 'this test makes network namespaces and needs root: run it as root');
    const id = `${process.pid}-${count++}`;
    this.#own = `ncn-${id}-a`;
    this.#peer = `ncn-${id}-c`;
    this.#ip(['netns', 'add', this.#own]);
    this.#ip(['netns', 'add', this.#peer]);
    this.#ip([
      'link',
      'add',
      'eth0',
      'netns',
      this.#own,
      'type',
      'veth',
      'peer',
      'eth0',
      'netns',
      this.#peer,
    ]);
    for (const [name, addresses] of [
      [this.#own, own],
      [this.#peer, peer],
    ] as const) {
      this.#ip(['-n', name, 'link', 'set', 'lo', 'up']);
      this.#ip(['-n', name, 'addr', 'add', `${addresses[4]}/24`, 'dev', 'eth0']);
      this.#ip(['-n', name, 'addr', 'add', `${addresses[6]}/64`, 'dev', 'eth0', 'nodad']);
      this.#ip(['-n', name, 'link', 'set', 'eth0', 'up']);
    }
  }

  /** A puppet in the ambassador's namespace. */
  ambassador({ programs, without = [] }: PuppetOptions = {}): Puppet {
    return this.#puppet(
      this.#own,
      programs === undefined ? (process.env.PATH ?? '') : this.#pathOf(programs),
      without,
    );
  }

  /** A puppet in the caller's namespace. */
  caller(): Puppet {
    return this.#puppet(this.#peer, process.env.PATH ?? '', []);
  }

  /** Runs a program in the ambassador's namespace and returns its output. */
  exec(program: string, args: readonly string[], input = ''): string {
    const all = ['netns', 'exec', this.#own, program, ...args];
    return execFileSync('ip', all, { encoding: 'utf8', input, stdio: ['pipe', 'pipe', 'pipe'] });
  }

  /** The same with nothing but these programs in its PATH; the program itself is named by its whole path. */
  execWith(programs: readonly string[], program: string, args: readonly string[]): string {
    return this.exec('env', [`PATH=${this.#pathOf(programs)}`, program, ...args]);
  }

  /** The same in the caller's namespace. */
  execAtPeer(program: string, args: readonly string[]): string {
    const all = ['netns', 'exec', this.#peer, program, ...args];
    return execFileSync('ip', all, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  }

  nft(rules: string): void {
    this.exec('nft', ['-f', '-'], rules);
  }

  /** Everything that stands in nft and in both kinds of iptables. */
  dump(): string {
    const legacy = ['iptables-legacy', 'ip6tables-legacy'].map((name) =>
      this.exec(name, ['-t', 'nat', '-S']),
    );
    return [this.exec('nft', ['list', 'ruleset']), ...legacy].join('---\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const puppet of this.#puppets) await puppet.end();
    for (const name of [this.#own, this.#peer]) this.#ip(['netns', 'del', name]);
    for (const folder of this.#folders) rmSync(folder, { recursive: true });
  }

  #puppet(namespace: string, path: string, without: readonly string[]): Puppet {
    const puppet = new Puppet(namespace, path, without);
    this.#puppets.push(puppet);
    return puppet;
  }

  #ip(args: readonly string[]): void {
    execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  }

  /** A PATH with nothing but links to these programs. */
  #pathOf(programs: readonly string[]): string {
    const folder = mkdtempSync(join(tmpdir(), 'nuncio-nat-'));
    this.#folders.push(folder);
    // iptables looks at the name that it is called by, so the link keeps it.
    for (const program of programs) symlinkSync(locate(program), join(folder, program));
    return folder;
  }
}

function locate(program: string): string {
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']) {
    try {
      return realpathSync(join(folder, program));
    } catch {
      // Not in this folder; the next one.
    }
  }
  return assert.fail(`${program} is not installed: install nftables and iptables to run this test`);
}

/** iptables, ip6tables and their -restore, for each name given. */
export function iptablesPrograms(...names: readonly string[]): readonly string[] {
  return names.flatMap((name) => {
    const both = [name, name.replace('iptables', 'ip6tables')];
    return [...both, ...both.map((program) => `${program}-restore`)];
  });
}
