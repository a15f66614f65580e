import { fileURLToPath } from 'node:url';
import type { Puppet } from '../namespaces/puppet.ts';
import { Wire } from '../namespaces/wire.ts';
import type { Command } from './puppet.ts';

/** The ambassador's namespace and a caller's, with puppets that have connections brought to their listeners. */
export class SteeringWire extends Wire<Command> {
  constructor() {
    super(fileURLToPath(new URL('./puppet.ts', import.meta.url)));
  }

  /** What connection tracking has in the ambassador's namespace. */
  tracked(): string {
    return ['ipv4', 'ipv6'].map((family) => this.exec('conntrack', ['-L', '-f', family])).join('');
  }
}

/** What one connection after the other was told, or the code of its error. */
export function dial(from: Puppet<Command>, host: string, port: number, times = 1): Promise<string[]> {
  return from.ask<string[]>({ do: 'dial', host, port, times });
}
