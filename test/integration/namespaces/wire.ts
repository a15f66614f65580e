import assert from 'node:assert/strict';
import { mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { NetworkNamespaces } from './namespaces.ts';
import { Puppet, without } from './puppet.ts';

/** The ambassador's own addresses, and those of the caller at the other end of the wire. */
export const own = { 4: '10.213.0.1', 6: 'fd00:213::1' } as const;
export const peer = { 4: '10.213.0.2', 6: 'fd00:213::2' } as const;

export interface PuppetOptions {
  /** Only these programs are in its PATH. */
  readonly programs?: readonly string[] | undefined;
  /** Capabilities that it does without. */
  readonly without?: readonly string[];
}

/** A namespace as the ambassador's, and one as a caller's, joined by a wire. Removed on dispose, with the puppets in them. */
export class Wire<Command> implements AsyncDisposable {
  readonly #spaces = new NetworkNamespaces();
  readonly #script: string;
  readonly #folders: string[] = [];

  /** @param script path of the puppets' program */
  constructor(script: string) {
    this.#script = script;
    const spaces = this.#spaces;
    spaces.add('a');
    spaces.add('c');
    const end = (host: string) => ['eth0', 'netns', spaces.name(host)];
    spaces.ip(['link', 'add', ...end('a'), 'type', 'veth', 'peer', ...end('c')]);
    spaces.bringUp('a', 'eth0', [own[4], own[6]]);
    spaces.bringUp('c', 'eth0', [peer[4], peer[6]]);
  }

  /** A puppet in the ambassador's namespace. */
  ambassador({ programs, without: missing = [] }: PuppetOptions = {}): Puppet<Command> {
    const path = programs === undefined ? [] : ['env', `PATH=${this.#pathOf(programs)}`];
    return this.#puppet('a', [...without(missing), ...path]);
  }

  /** A puppet in the caller's namespace. */
  caller(): Puppet<Command> {
    return this.#puppet('c');
  }

  /** What runs a program in the ambassador's namespace. */
  get entry(): readonly string[] {
    return ['ip', 'netns', 'exec', this.#spaces.name('a')];
  }

  /** Runs a program in the ambassador's namespace and returns its output. */
  exec(program: string, args: readonly string[], input = ''): string {
    return this.#spaces.exec('a', program, args, input);
  }

  /** The same with nothing but these programs in its PATH; the program itself is named by its whole path. */
  execWith(programs: readonly string[], program: string, args: readonly string[]): string {
    return this.exec('env', [`PATH=${this.#pathOf(programs)}`, program, ...args]);
  }

  /** The same in the caller's namespace. */
  execAtPeer(program: string, args: readonly string[]): string {
    return this.#spaces.exec('c', program, args);
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
    await this.#spaces[Symbol.asyncDispose]();
    for (const folder of this.#folders) rmSync(folder, { recursive: true });
  }

  #puppet(host: string, prefix: readonly string[] = []): Puppet<Command> {
    return this.#spaces.keep(new Puppet<Command>(this.#spaces.name(host), this.#script, prefix));
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
