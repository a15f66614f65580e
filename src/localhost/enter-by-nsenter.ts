import { type FileHandle, open, readFile } from 'node:fs/promises';
import { AppError, messageOf } from '../core/errors.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type { Container } from '../docker/container.ts';
import { hasCapabilities } from '../nat/capabilities.ts';
import type { RunCommand } from '../nat/command.ts';
import type { NamespaceEntry } from './entry.ts';

/**
 * Entry by nsenter(1), for an ambassador that sees the host's processes (`--pid=host`, or no container at all) and has
 * CAP_SYS_ADMIN (setns(2)) and CAP_NET_ADMIN; to look at other processes' namespaces it may need CAP_SYS_PTRACE too.
 *
 * @param program this program's own command, without arguments
 * @returns undefined where the capabilities are missing
 */
export function enterByNsenter(
  program: readonly string[],
  run: RunCommand,
  ownStatus: string,
): NamespaceEntry | undefined {
  if (!hasCapabilities(ownStatus, ['SYS_ADMIN', 'NET_ADMIN'])) return undefined;
  return {
    name: 'nsenter',
    async run(container, args, signal) {
      const namespace = await openNamespace(container);
      if (!namespace.ok) return namespace;
      try {
        // By the open file: the process may end and its number be given away before nsenter looks.
        const path = `/proc/${process.pid}/fd/${namespace.value.fd}`;
        const outcome = await run('nsenter', [`--net=${path}`, ...program, ...args], { signal });
        return outcome.kind === 'done'
          ? ok(outcome.stdout)
          : fail(new AppError('ERR_RULES', outcome.reason.replace(/^nsenter: (?:nuncio: )?/, '')));
      } finally {
        await namespace.value.close();
      }
    },
  };
}

/** Opened first, then asked whose it is: what is open cannot become another one's. */
async function openNamespace({ id, pid }: Container): Promise<Result<FileHandle>> {
  const refused = (reason: string) => fail(new AppError('ERR_RULES', reason));
  if (pid === 0) return refused('the engine does not say which process it is');
  try {
    const file = await open(`/proc/${pid}/ns/net`);
    const groups = await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => '');
    if (groups.includes(id)) return ok(file);
    await file.close();
    return refused("the host's processes are not to be seen here (--pid=host)");
  } catch (thrown) {
    return refused(messageOf(thrown));
  }
}
