import { setTimeout as delay } from 'node:timers/promises';
import type { SocketAddress } from '../core/address.ts';
import { errnoName } from './libc.ts';
import { loadLibrary } from './library.ts';
import { addressFamily, writeSockaddr } from './write-sockaddr.ts';

/** asm-generic/socket.h, linux/net.h, asm-generic/poll.h */
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const SO_MARK = 36;
const POLLOUT = 4;

const consequence =
  'a connection cannot be marked without it: use the published image, or a platform that koffi has a binary for';

/** How often the state of a connection that is under way is looked at, ms. */
const pollMs = 10;

/** How an attempt to connect ended. */
export type ConnectOutcome =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'refused' }
  | { readonly kind: 'timed-out' }
  | { readonly kind: 'failed'; readonly syscall: string; readonly errno: string };

export interface MarkedConnectOptions {
  /** The packets' firewall mark, 32 bits (socket(7) SO_MARK). */
  readonly mark: number;
  /** How long the attempt may take, ms. */
  readonly timeoutMs: number;
  /** Ends the attempt early, as if its time were over. */
  readonly signal?: AbortSignal;
}

/** Opens a TCP connection whose packets carry a firewall mark, says how that ended, and closes it again. */
export type ConnectMarked = (target: SocketAddress, options: MarkedConnectOptions) => Promise<ConnectOutcome>;

/**
 * Node has no way to set SO_MARK before connecting, so the socket is made in libc. Setting the mark needs CAP_NET_ADMIN,
 * or, from Linux 5.17 on, CAP_NET_RAW; without either the outcome is `failed` at `setsockopt` with EPERM.
 * The event loop is never blocked: the connect is non-blocking and looked at every 10 ms.
 *
 * @throws AppError ERR_CANNOT_START where libc cannot be called on this platform
 * Source: socket(7), connect(2) EINPROGRESS, poll(2)
 */
export async function loadConnectMarked(): Promise<ConnectMarked> {
  const { koffi, library } = await loadLibrary(consequence);
  const socket = library.func('int socket(int family, int type, int protocol)');
  const setsockopt = library.func(
    'int setsockopt(int fd, int level, int option, uint32_t *value, uint32_t size)',
  );
  const getsockopt = library.func(
    'int getsockopt(int fd, int level, int option, _Out_ int *value, _Inout_ uint32_t *size)',
  );
  const connect = library.func('int connect(int fd, uint8_t *address, uint32_t size)');
  const poll = library.func('int poll(_Inout_ uint8_t *fds, unsigned long count, int timeoutMs)');
  const close = library.func('int close(int fd)');
  const failed = (syscall: string): ConnectOutcome => ({
    kind: 'failed',
    syscall,
    errno: errnoName(koffi.errno()),
  });

  /** Undefined while the connection is under way. */
  const stateOf = (fd: number): ConnectOutcome | undefined => {
    const request = Buffer.alloc(8);
    new Int32Array(request.buffer, request.byteOffset, 1)[0] = fd;
    new Int16Array(request.buffer, request.byteOffset + 4, 1)[0] = POLLOUT;
    const ready = poll(request, 1, 0);
    if (ready < 0) return koffi.errno() === koffi.os.errno.EINTR ? undefined : failed('poll');
    if (ready === 0) return undefined;
    const [error, size] = [[0], [4]];
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, error, size) !== 0) return failed('getsockopt');
    return outcomeOf(error[0] ?? 0);
  };

  return async (target, { mark, timeoutMs, signal }) => {
    const address = writeSockaddr(target);
    const family = address.length === 16 ? addressFamily[4] : addressFamily[6];
    const fd: number = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return failed('socket');
    try {
      if (setsockopt(fd, SOL_SOCKET, SO_MARK, [mark], 4) !== 0) return failed('setsockopt');
      if (connect(fd, address, address.length) === 0) return { kind: 'accepted' };
      const errno = koffi.errno();
      if (errno !== koffi.os.errno.EINPROGRESS) return outcomeOf(errno);
      const deadline = performance.now() + timeoutMs;
      for (;;) {
        const state = stateOf(fd);
        if (state !== undefined) return state;
        if (signal?.aborted || performance.now() >= deadline) return { kind: 'timed-out' };
        await delay(pollMs);
      }
    } finally {
      close(fd);
    }
  };
}

function outcomeOf(errno: number): ConnectOutcome {
  if (errno === 0) return { kind: 'accepted' };
  const name = errnoName(errno);
  if (name === 'ECONNREFUSED') return { kind: 'refused' };
  if (name === 'ETIMEDOUT') return { kind: 'timed-out' };
  return { kind: 'failed', syscall: 'connect', errno: name };
}
