import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
import { AppError, codeOf, messageOf } from '../core/errors.ts';
import { errnoName, loadLibc } from './libc.ts';
import { loadLibrary } from './library.ts';
import { addressFamily, writeSockaddr } from './write-sockaddr.ts';

/** asm-generic/socket.h, linux/net.h, linux/sched.h */
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_NETNS_COOKIE = 71;
const CLONE_NEWNET = 0x40000000;

const consequence = 'a network namespace cannot be entered without it';
const ownPath = '/proc/self/ns/net';
/** The way back fails only where the kernel has no memory for a few hundred bytes. */
const waysBack = 1000;

/** A network namespace, held open: it exists until `close`, whoever else has left it. */
export interface NetworkNamespace {
  /** Unique since the machine started; none is given twice. */
  readonly cookie: bigint;
  /** Whether it is the one that this process lives in. */
  readonly isOwn: boolean;
  /** Whether an address is one of its own. @throws AppError ERR_SYSCALL */
  hasAddress(ip: string): boolean;
  /** @returns a non-blocking TCP socket in it, the caller's to close. @throws AppError ERR_SYSCALL */
  socket(family: 4 | 6): number;
  close(): void;
}

/**
 * Opens a network namespace.
 *
 * @param path `/proc/PID/ns/net`, or where one is mounted
 * @throws AppError ERR_SYSCALL; errno ENOENT: no such process here; EACCES: CAP_SYS_PTRACE is needed for a process of
 *         another user; EPERM: CAP_SYS_ADMIN is needed to enter it; ENOPROTOOPT: Linux is older than 5.14
 */
export type OpenNetworkNamespace = (path: string) => NetworkNamespace;

/**
 * Namespaces are entered by this thread for as long as one system call takes, and nothing else runs on it meanwhile.
 *
 * @throws AppError ERR_CANNOT_START where libc cannot be called on this platform
 * Source: setns(2), network_namespaces(7), proc_pid_ns(5), socket(7) SO_NETNS_COOKIE
 */
export async function loadNetworkNamespaces(): Promise<OpenNetworkNamespace> {
  const { koffi, library } = await loadLibrary(consequence);
  const libc = await loadLibc();
  const setns = library.func('int setns(int fd, int type)');
  const socket = library.func('int socket(int family, int type, int protocol)');
  const bind = library.func('int bind(int fd, uint8_t *address, uint32_t size)');
  const failure = (syscall: string) => callFailed(syscall, errnoName(koffi.errno()));
  const makeSocket = (family: 4 | 6): number => {
    const fd: number = socket(addressFamily[family], SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) throw failure('socket');
    return fd;
  };

  const within = <T>(fd: number, run: () => T): T => {
    const own = openSync(ownPath, 'r');
    try {
      if (setns(fd, CLONE_NEWNET) !== 0) throw failure('setns');
      try {
        return run();
      } finally {
        let tries = 1;
        while (setns(own, CLONE_NEWNET) !== 0) {
          // Whoever goes on from here would dial and listen in a container's namespace.
          if (++tries > waysBack) process.abort();
        }
      }
    } finally {
      closeSync(own);
    }
  };

  const cookieOf = (fd: number): bigint => {
    const probe = within(fd, () => makeSocket(4));
    try {
      return libc.getsockopt(probe, SOL_SOCKET, SO_NETNS_COOKIE, 8).readBigUInt64LE();
    } finally {
      closeSync(probe);
    }
  };

  return (path) => {
    const fd = open(path);
    try {
      const cookie = cookieOf(fd);
      const isOwn = fstatSync(fd).ino === statSync(ownPath).ino;
      return {
        cookie,
        isOwn,
        hasAddress(ip) {
          const address = writeSockaddr({ ip, port: 0 });
          const probe = within(fd, () => makeSocket(ip.includes(':') ? 6 : 4));
          try {
            if (bind(probe, address, address.length) === 0) return true;
            const errno = errnoName(koffi.errno());
            if (errno === 'EADDRNOTAVAIL') return false;
            throw callFailed('bind', errno);
          } finally {
            closeSync(probe);
          }
        },
        socket: (family) => within(fd, () => makeSocket(family)),
        close: () => closeSync(fd),
      };
    } catch (thrown) {
      closeSync(fd);
      throw thrown;
    }
  };
}

function open(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (thrown) {
    const errno = codeOf(thrown) ?? 'unknown';
    throw new AppError('ERR_SYSCALL', messageOf(thrown), { errno, syscall: 'open', cause: thrown });
  }
}

function callFailed(syscall: string, errno: string): AppError {
  return new AppError('ERR_SYSCALL', `${syscall}: ${errno}`, { errno, syscall });
}
