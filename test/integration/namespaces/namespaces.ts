import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import type { Puppet } from './puppet.ts';

let count = 0;

/** Network namespaces, by the names of the hosts that they stand for. Removed on dispose, with the puppets in them. */
export class NetworkNamespaces implements AsyncDisposable {
  readonly #id = `ncn-${process.pid}-${count++}`;
  readonly #names: string[] = [];
  readonly #puppets: Puppet<never>[] = [];

  constructor() {
    assert.equal(process.getuid?.(), 0, 'this test makes network namespaces and needs root: run it as root');
  }

  /** With its loopback up. */
  add(host: string): void {
    this.ip(['netns', 'add', this.name(host)]);
    this.#names.push(this.name(host));
    this.ipIn(host, ['link', 'set', 'lo', 'up']);
  }

  /** The name by which `ip netns` knows a host. */
  name(host: string): string {
    return `${this.#id}-${host}`;
  }

  ip(args: readonly string[]): void {
    execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  }

  ipIn(host: string, args: readonly string[]): void {
    this.ip(['-n', this.name(host), ...args]);
  }

  /** Gives an interface addresses, with the prefix that each family's test networks have, and switches it on. */
  bringUp(host: string, device: string, addresses: readonly string[]): void {
    for (const address of addresses) {
      const prefixed = address.includes(':') ? [`${address}/64`, 'nodad'] : [`${address}/24`];
      this.ipIn(host, ['addr', 'add', ...prefixed, 'dev', device]);
    }
    this.ipIn(host, ['link', 'set', device, 'up']);
  }

  /** Runs a program there. @returns its output */
  exec(host: string, program: string, args: readonly string[], input = ''): string {
    const all = ['netns', 'exec', this.name(host), program, ...args];
    return execFileSync('ip', all, { encoding: 'utf8', input, stdio: ['pipe', 'pipe', 'pipe'] });
  }

  /** Ends a puppet of one of the hosts in the end. */
  keep<P extends Puppet<never>>(puppet: P): P {
    this.#puppets.push(puppet);
    return puppet;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const puppet of this.#puppets) await puppet.end();
    for (const name of this.#names) this.ip(['netns', 'del', name]);
  }
}
