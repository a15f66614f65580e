import { closeSync, statSync } from 'node:fs';
import { loadBpf } from '../bpf/bpf.ts';
import { AppError, messageOf } from '../core/errors.ts';
import type { PartStack } from '../core/part.ts';
import { openCgroupRoot } from '../sys/cgroup-root.ts';
import { loadNetworkNamespaces } from '../sys/network-namespace.ts';
import { attachHooks } from './hooks.ts';
import { proveByConnection } from './kernel-caller.ts';
import { KernelPath, type KernelPathOptions } from './kernel-path.ts';
import type { KernelMode } from './mode.ts';
import { RouteMaps } from './route-maps.ts';
import { proveHooks } from './self-test.ts';

export interface BeginKernelOptions
  extends Pick<KernelPathOptions, 'routes' | 'checks' | 'surroundings' | 'logger'> {
  readonly mode: KernelMode;
  /** The ambassador's own process as the engine numbers it; undefined where it runs in no container. */
  readonly selfPid: number | undefined;
  readonly parts: PartStack;
}

/** How long start-up waits for the callers' first proofs, so that it can say which path serves what, ms. */
const settleMs = 1500;

/**
 * The kernel path, where it is wanted and works here. Whatever is missing is one line, and the proxy serves.
 *
 * @returns undefined where there is none
 * @throws AppError ERR_CANNOT_START where it is required and does not work
 */
export async function beginKernelPath(options: BeginKernelOptions): Promise<KernelPath | undefined> {
  const { mode, logger, parts } = options;
  if (mode === 'off') return undefined;
  try {
    const path = await parts.begin(await makeKernelPath(options));
    await path.settled(settleMs);
    logger.info('kernel path on: callers are led to their endpoints as they connect');
    return path;
  } catch (thrown) {
    const why = adviseOn(thrown);
    if (thrown instanceof Error && typeof thrown.cause === 'string') {
      logger.debug('kernel path: what the verifier says', { log: thrown.cause });
    }
    if (mode === 'require') {
      throw new AppError('ERR_CANNOT_START', `--kernel=require, but ${why}`, { cause: thrown });
    }
    logger.info(`kernel path off: ${why}; the proxy serves every route`);
    return undefined;
  }
}

async function makeKernelPath(options: BeginKernelOptions): Promise<KernelPath> {
  const openNamespace = await loadNetworkNamespaces();
  canSeeContainers(options.selfPid);
  const own = openNamespace('/proc/self/ns/net');
  own.close();
  const bpf = await loadBpf();
  const cgroup = await openCgroupRoot();
  const undo: (() => void)[] = [() => closeSync(cgroup)];
  try {
    const maps = new RouteMaps(bpf);
    undo.push(() => maps.close());
    const detach = attachHooks(bpf, maps.descriptors, cgroup);
    undo.push(detach);
    await proveHooks(maps, own.cookie);
    closeSync(cgroup);
    return new KernelPath({ ...options, openNamespace, prove: proveByConnection, maps, detach });
  } catch (thrown) {
    for (const step of undo.reverse()) step();
    throw thrown;
  }
}

/**
 * A container's processes have other numbers here, or none, in a process namespace of our own.
 *
 * @throws AppError ERR_CANNOT_START
 */
function canSeeContainers(selfPid: number | undefined): void {
  if (selfPid === undefined) return;
  const inode = (path: string) => statSync(path, { throwIfNoEntry: false })?.ino;
  if (inode(`/proc/${selfPid}/ns/net`) === inode('/proc/self/ns/net')) return;
  throw new AppError('ERR_CANNOT_START', "the containers' processes cannot be seen from here (--pid=host)");
}

const advice: Readonly<Record<string, string>> = {
  'setns EPERM': 'network namespaces may not be entered (--cap-add SYS_ADMIN)',
  'getsockopt ENOPROTOOPT': 'Linux 5.14 or newer is needed',
  'fsopen EPERM': 'the cgroup hierarchy may not be opened (--cap-add SYS_ADMIN)',
  'fsmount EPERM': 'the cgroup hierarchy may not be opened (--cap-add SYS_ADMIN)',
  'fsmount EXDEV': 'only a part of the cgroup hierarchy can be seen from here (--cgroupns=host)',
  'fsopen ENODEV': 'this kernel has no cgroup v2',
  'fsopen ENOSYS': 'Linux 5.14 or newer is needed',
  'bpf ENOSYS': 'this kernel has no bpf(2)',
};

/** What is missing and how to come by it, in one line. */
export function adviseOn(thrown: unknown): string {
  if (!(thrown instanceof AppError)) return messageOf(thrown);
  const known = advice[`${thrown.syscall} ${thrown.errno}`];
  if (known !== undefined) return known;
  if (thrown.syscall === 'bpf' && thrown.errno === 'EPERM') {
    return `${thrown.message} (--cap-add SYS_ADMIN; with it, another program holds the hooks for itself)`;
  }
  return thrown.message;
}
