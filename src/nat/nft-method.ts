import { AppError } from '../core/errors.ts';
import { fail, ok } from '../core/result.ts';
import type { RunCommand } from './command.ts';
import type { RuleMethod } from './method.ts';
import { nftInstallation, nftRemoval, nftTable } from './nft-text.ts';
import { familiesOf } from './rules.ts';

const listTable = ['list', 'table', ...nftTable.split(' ')];

/** Rules in an nft table of their own. */
export function nftMethod(run: RunCommand): RuleMethod {
  const refused = (reason: string) => fail(new AppError('ERR_RULES', reason));

  const read: RuleMethod['read'] = async (signal) => {
    const outcome = await run('nft', listTable, { signal });
    if (outcome.kind === 'done') return ok(outcome.stdout);
    if (outcome.kind === 'failed' && outcome.reason.includes('No such file or directory')) return ok('');
    return refused(outcome.reason);
  };

  return {
    name: 'nft',
    read,
    async install(plan, signal) {
      const outcome = await run('nft', ['-f', '-'], { stdin: nftInstallation(plan), signal });
      return outcome.kind === 'done' ? ok({ families: familiesOf(plan) }) : refused(outcome.reason);
    },
    async remove(signal) {
      const present = await read(signal);
      if (!present.ok) return present;
      if (present.value === '') return ok(false);
      const outcome = await run('nft', ['-f', '-'], { stdin: nftRemoval, signal });
      return outcome.kind === 'done' ? ok(true) : refused(outcome.reason);
    },
  };
}
