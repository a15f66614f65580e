import { readFile } from 'node:fs/promises';
import { AppError, codeOf } from '../core/errors.ts';
import type { RunCommand } from '../nat/command.ts';
import type { IptablesProgram } from '../nat/iptables-method.ts';
import {
  iptablesInstallation,
  iptablesRemoval,
  type Listings,
  readListings,
  tables,
} from './iptables-text.ts';
import type { LeadMethod } from './method.ts';

/** Seconds to wait for another program that is changing tables (iptables(8) -w). */
const lockWait = ['-w', '5'];

/** The rules in chains of their own in the tables nat and raw of iptables, for kernels that nft cannot use. */
export function iptablesMethod(
  { kind, name }: IptablesProgram,
  run: RunCommand,
  legacyTables: () => Promise<readonly string[]> = readLegacyTables,
): LeadMethod {
  const list = async (): Promise<Listings> => {
    // Looking into a legacy table makes it.
    const present: readonly string[] = kind === 'legacy' ? await legacyTables() : tables;
    const listings = { nat: '', raw: '' };
    for (const table of tables.filter((candidate) => present.includes(candidate))) {
      const outcome = await run(name, [...lockWait, '-t', table, '-S']);
      if (outcome.kind !== 'done') throw new AppError('ERR_RULES', outcome.reason);
      listings[table] = outcome.stdout;
    }
    return listings;
  };
  const restore = async (stdin: string) => {
    if (stdin === '') return;
    const outcome = await run(`${name}-restore`, [...lockWait, '--noflush'], { stdin });
    if (outcome.kind !== 'done') throw new AppError('ERR_RULES', outcome.reason);
  };
  return {
    name: `iptables-${kind}`,
    read: async () => readListings(await list()),
    install: async (standing) => restore(iptablesInstallation(standing, await list())),
    remove: async () => restore(iptablesRemoval(await list())),
  };
}

/** Linux net/netfilter/x_tables.c: the legacy tables of this namespace, one a line; only root may read them. */
async function readLegacyTables(): Promise<readonly string[]> {
  try {
    return (await readFile('/proc/self/net/ip_tables_names', 'utf8')).split('\n');
  } catch (thrown) {
    // No such file: the kernel has no legacy tables. Not readable: there may be some, so have a look.
    return codeOf(thrown) === 'ENOENT' ? [] : tables;
  }
}
