import type { Socket } from 'node:net';
import { canonicalIp, type SocketAddress } from '../../core/address.ts';
import { AppError } from '../../core/errors.ts';
import type { Libc } from '../../sys/libc.ts';
import { originalDestination } from '../../sys/original-destination.ts';

/** Tells what a caller dialled. @throws AppError ERR_SYSCALL */
export type ReadDestination = (socket: Socket) => SocketAddress;

/** The socket's own address: right where nothing is redirected (static forward). */
export const ownDestination: ReadDestination = (socket) => {
  const ip = canonicalIp(socket.localAddress ?? '');
  if (ip === undefined || socket.localPort === undefined) {
    throw new AppError('ERR_SYSCALL', 'the caller has gone', { errno: 'ENOTCONN', syscall: 'getsockname' });
  }
  return { ip, port: socket.localPort };
};

/**
 * The address before netfilter rewrote it. Where conntrack knows nothing of the connection (ENOENT) or the kernel has no
 * conntrack at all, nothing was rewritten, and the socket's own address is what was dialled.
 */
export function redirectedDestination(libc: Libc): ReadDestination {
  return (socket) => {
    const own = ownDestination(socket);
    try {
      return originalDestination(libc, descriptorOf(socket), own.ip.includes(':') ? 6 : 4);
    } catch (thrown) {
      const isUntracked =
        thrown instanceof AppError && ['ENOENT', 'ENOPROTOOPT'].includes(thrown.errno ?? '');
      if (isUntracked) return own;
      throw thrown;
    }
  };
}

/** Node does not document the descriptor of a socket; its TCP handle has carried it as `fd` since 2012 (libuv's uv_fileno). */
function descriptorOf(socket: Socket): number {
  const handle: unknown = Reflect.get(socket, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  if (typeof fd !== 'number' || fd < 0) {
    throw new AppError('ERR_SYSCALL', 'the socket is closed', { errno: 'EBADF', syscall: 'getsockopt' });
  }
  return fd;
}
