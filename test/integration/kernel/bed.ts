import { fileURLToPath } from 'node:url';
import { NetworkNamespaces } from '../namespaces/namespaces.ts';
import { Puppet, without } from '../namespaces/puppet.ts';
import type { Dialled } from '../namespaces/sockets.ts';
import type { Command } from './puppet.ts';

const script = fileURLToPath(new URL('./puppet.ts', import.meta.url));

/** Hosts on one bridge, each a network namespace; the backend has several addresses. */
export const hosts = {
  ambassador: ['10.214.0.1', 'fd00:214::1'],
  'caller-a': ['10.214.0.21', 'fd00:214::21'],
  'caller-b': ['10.214.0.22', 'fd00:214::22'],
  backend: ['10.214.0.31', 'fd00:214::31', '10.214.0.32', '10.214.0.33'],
} as const;
export type HostName = keyof typeof hosts;

export class HostPuppet extends Puppet<Command> {
  /** What the other side said to each of so many connections; an error's code where there was none. */
  async dial(host: string, port: number, times = 1): Promise<string[]> {
    const dialled = await this.ask<Dialled[]>({ do: 'dial', host, port, times });
    return dialled.map(({ text }) => text);
  }
}

/** The hosts and their bridge. Removed on dispose, with the puppets in them. */
export class Bed implements AsyncDisposable {
  readonly #spaces = new NetworkNamespaces();

  constructor() {
    const spaces = this.#spaces;
    spaces.add('bridge');
    spaces.ipIn('bridge', ['link', 'add', 'br0', 'type', 'bridge']);
    spaces.ipIn('bridge', ['link', 'set', 'br0', 'up']);
    for (const [index, [host, addresses]] of Object.entries(hosts).entries()) {
      spaces.add(host);
      const end = ['name', `p${index}`, 'netns', spaces.name('bridge')];
      spaces.ip(['link', 'add', 'eth0', 'netns', spaces.name(host), 'type', 'veth', 'peer', ...end]);
      spaces.ipIn('bridge', ['link', 'set', `p${index}`, 'master', 'br0', 'up']);
      spaces.bringUp(host, 'eth0', addresses);
    }
  }

  /** @param missing capabilities that it has to do without */
  puppet(host: HostName, missing: readonly string[] = []): HostPuppet {
    return this.#puppet(host, without(missing));
  }

  /** A puppet of another user. */
  puppetAs(host: HostName, user: number): HostPuppet {
    return this.#puppet(host, ['setpriv', '--reuid', String(user), '--clear-groups']);
  }

  /** Runs `ip` in a host's namespace. */
  ipIn(host: HostName, args: readonly string[]): void {
    this.#spaces.ipIn(host, args);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#spaces[Symbol.asyncDispose]();
  }

  #puppet(host: HostName, prefix: readonly string[]): HostPuppet {
    return this.#spaces.keep(new HostPuppet(this.#spaces.name(host), script, prefix));
  }
}
