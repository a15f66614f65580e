import { fileURLToPath } from 'node:url';
import { Wire } from '../namespaces/wire.ts';
import type { Command } from './puppet.ts';

/** The ambassador's namespace and a caller's, with puppets that set rules. */
export class Namespaces extends Wire<Command> {
  constructor() {
    super(fileURLToPath(new URL('./puppet.ts', import.meta.url)));
  }
}

/** iptables, ip6tables and their -restore, for each name given. */
export function iptablesPrograms(...names: readonly string[]): readonly string[] {
  return names.flatMap((name) => {
    const both = [name, name.replace('iptables', 'ip6tables')];
    return [...both, ...both.map((program) => `${program}-restore`)];
  });
}
