import { closeSync, constants, existsSync, openSync } from 'node:fs';
import { AppError } from '../core/errors.ts';
import { errnoName } from './libc.ts';
import { loadLibrary } from './library.ts';

/** Where a host has its cgroup v2 hierarchy: alone, or beside the controllers of v1. */
const usualPlaces = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'];

/** linux/mount.h; the calls have one number on every architecture, as all from 424 on. */
const fsopen = { number: 430, cloexec: 1 } as const;
const fsconfig = { number: 431, create: 6 } as const;
const fsmount = { number: 432, cloexec: 1 } as const;

const consequence = 'the root of the cgroup hierarchy cannot be opened without it';

/**
 * The root directory of the machine's cgroup v2 hierarchy. Every process is below it; where v1 rules, all are in it.
 * Looked for where hosts have it; else mounted, by itself and for nobody to see, for as long as the descriptor is open.
 *
 * @returns a descriptor of the directory, the caller's to close
 * @throws AppError ERR_SYSCALL with what is missing; errno EPERM: CAP_SYS_ADMIN; ENODEV: no cgroup v2 in this kernel;
 *         EXDEV: this process sees a part of the hierarchy only, its cgroup namespace
 * Source: cgroups(7), cgroup_namespaces(7), fsopen(2), fsmount(2); Linux 5.2
 */
export async function openCgroupRoot(): Promise<number> {
  for (const place of usualPlaces) {
    if (isRoot(place)) return openDirectory(place);
  }
  const mount = await mountDetached();
  try {
    const place = `/proc/self/fd/${mount}/.`;
    if (isRoot(place)) return openDirectory(place);
    const message = 'only a part of the cgroup hierarchy can be seen from here';
    throw new AppError('ERR_SYSCALL', message, { errno: 'EXDEV', syscall: 'fsmount' });
  } finally {
    closeSync(mount);
  }
}

/** The root of a v2 hierarchy is the one cgroup without events; the top of a cgroup namespace has them. */
function isRoot(place: string): boolean {
  return existsSync(`${place}/cgroup.controllers`) && !existsSync(`${place}/cgroup.events`);
}

function openDirectory(place: string): number {
  return openSync(place, constants.O_RDONLY | constants.O_DIRECTORY);
}

/** A mount of cgroup2 that stands in no directory and is gone with its descriptor. */
async function mountDetached(): Promise<number> {
  const { koffi, library } = await loadLibrary(consequence);
  const open = library.func('syscall', 'long', ['long', 'str', 'uint32_t']);
  const configure = library.func('syscall', 'long', ['long', 'int', 'uint32_t', 'void *', 'void *', 'int']);
  const mount = library.func('syscall', 'long', ['long', 'int', 'uint32_t', 'uint32_t']);
  const checked = (syscall: string, result: unknown): number => {
    if (Number(result) >= 0) return Number(result);
    const errno = errnoName(koffi.errno());
    throw new AppError('ERR_SYSCALL', `${syscall} of cgroup2: ${errno}`, { errno, syscall });
  };
  const context = checked('fsopen', open(fsopen.number, 'cgroup2', fsopen.cloexec));
  try {
    checked('fsconfig', configure(fsconfig.number, context, fsconfig.create, null, null, 0));
    return checked('fsmount', mount(fsmount.number, context, fsmount.cloexec, 0));
  } finally {
    closeSync(context);
  }
}
