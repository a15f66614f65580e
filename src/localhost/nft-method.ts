import { AppError } from '../core/errors.ts';
import type { RunCommand } from '../nat/command.ts';
import type { LeadMethod } from './method.ts';
import { nftInstallation, nftRemoval, nftTable, readNftTable } from './nft-text.ts';

/** The rules in an nft table of their own. */
export function nftMethod(run: RunCommand): LeadMethod {
  const restore = async (stdin: string) => {
    const outcome = await run('nft', ['-f', '-'], { stdin });
    if (outcome.kind !== 'done') throw new AppError('ERR_RULES', outcome.reason);
  };
  return {
    name: 'nft',
    async read() {
      const outcome = await run('nft', ['--numeric', 'list', 'table', ...nftTable.split(' ')]);
      if (outcome.kind === 'done') return readNftTable(outcome.stdout) ?? 'damaged';
      if (outcome.kind === 'missing' || outcome.reason.includes('No such file or directory'))
        return undefined;
      throw new AppError('ERR_RULES', outcome.reason);
    },
    install: (standing) => restore(nftInstallation(standing)),
    remove: () => restore(nftRemoval),
  };
}
