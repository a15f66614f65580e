import { AppError, messageOf } from '../core/errors.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type { CallerEntry } from '../route/table.ts';
import type { NetworkNamespace, OpenNetworkNamespace } from '../sys/network-namespace.ts';

const advice: Readonly<Record<string, string>> = {
  ENOENT: "the containers' processes cannot be seen from here (--pid=host)",
  EACCES: 'its network namespace may not be looked into (--cap-add SYS_PTRACE)',
  EPERM: 'its network namespace may not be entered (--cap-add SYS_ADMIN)',
  ENOPROTOOPT: 'Linux 5.14 or newer is needed',
};

/** What an error at a namespace comes to, in a few words. */
export function describeFailure(thrown: unknown): string {
  const errno = thrown instanceof AppError ? (thrown.errno ?? '') : '';
  return advice[errno] ?? messageOf(thrown);
}

/**
 * A caller's network namespace, by its process. The number of a process may have been given away since the engine told it,
 * and means another one in another process namespace: so what stands there has to have the caller's address.
 *
 * @returns held open, the caller of this function's to close; ERR_SYSCALL with the reason in few words
 */
export function enterCaller(
  { pid, addresses }: Pick<CallerEntry, 'pid' | 'addresses'>,
  open: OpenNetworkNamespace,
): Result<NetworkNamespace> {
  const refuse = (why: string) => fail(new AppError('ERR_SYSCALL', why));
  if (pid === undefined) return refuse('the engine does not tell its process');
  let namespace: NetworkNamespace;
  try {
    namespace = open(`/proc/${pid}/ns/net`);
  } catch (thrown) {
    return refuse(describeFailure(thrown));
  }
  try {
    if (!namespace.isOwn && addresses.some((ip) => namespace.hasAddress(ip))) return ok(namespace);
    namespace.close();
    return refuse(
      namespace.isOwn
        ? "its network namespace is the ambassador's own"
        : `process ${pid} does not have its address: ${describeMissing(addresses)}`,
    );
  } catch (thrown) {
    namespace.close();
    return refuse(describeFailure(thrown));
  }
}

function describeMissing(addresses: readonly string[]): string {
  return addresses.length === 0 ? 'none is known' : addresses.join(', ');
}
