import type { SocketAddress } from '../../core/address.ts';
import { AppError } from '../../core/errors.ts';
import { errnoName } from '../../sys/libc.ts';
import type { Sockets } from '../../sys/sockets.ts';
import { addressFamily, writeSockaddr } from '../../sys/write-sockaddr.ts';
import { listenOn } from '../listen-address.ts';
import { Sockaddrs } from './sockaddrs.ts';

/** Connections that the kernel keeps for us until they are accepted. */
const backlog = 4096;

/**
 * Listening sockets on one port, one for each worker: the kernel spreads the callers over them by the hash of their
 * addresses (SO_REUSEPORT, socket(7)). The main thread owns them, so that a worker that dies leaves its queue to the next.
 */
export class Listeners {
  readonly address: SocketAddress;
  readonly fds: readonly number[];
  readonly #sockets: Sockets;
  #isClosed = false;

  private constructor(sockets: Sockets, address: SocketAddress, fds: readonly number[]) {
    this.#sockets = sockets;
    this.address = address;
    this.fds = fds;
  }

  /**
   * @param host `::` is both families where IPv6 is there
   * @throws AppError ERR_CANNOT_START where the port is taken or may not be bound
   */
  static open(sockets: Sockets, host: string, port: number, count: number): Promise<Listeners> {
    return listenOn(host, port, (tried) => {
      const fds: number[] = [];
      try {
        const first = openOne(sockets, { ip: tried, port }, { isFirst: true, isShared: count > 1 }, fds);
        while (fds.length < count) openOne(sockets, first, { isFirst: false, isShared: true }, fds);
        return new Listeners(sockets, first, fds);
      } catch (thrown) {
        for (const fd of fds) sockets.close(fd);
        throw thrown;
      }
    });
  }

  /** From now on callers are refused; who waits in a queue is reset. */
  shutDown(): void {
    if (this.#isClosed) return;
    for (const fd of this.fds) this.#sockets.shutdownListener(fd);
  }

  /** Only when no worker uses them any more. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const fd of this.fds) this.#sockets.close(fd);
  }
}

/** @returns the bound address */
function openOne(
  sockets: Sockets,
  address: SocketAddress,
  { isFirst, isShared }: { isFirst: boolean; isShared: boolean },
  fds: number[],
): SocketAddress {
  const check = (syscall: string, result: number) => {
    if (result >= 0) return result;
    const errno = errnoName(-result);
    throw new AppError('ERR_SYSCALL', `${syscall}: ${errno}`, { errno, syscall });
  };
  const sockaddr = writeSockaddr(address);
  const isIpv6 = sockaddr.length > 16;
  const fd = check('socket', sockets.open(isIpv6 ? addressFamily[6] : addressFamily[4]));
  fds.push(fd);
  check('setsockopt', sockets.setReuseAddress(fd));
  if (isIpv6) check('setsockopt', sockets.setV6Only(fd, address.ip !== '::'));
  // What is accepted inherits it.
  check('setsockopt', sockets.setNoDelay(fd));
  // The first is bound alone: with SO_REUSEPORT it would share the port with any other process of this user.
  if (!isFirst) check('setsockopt', sockets.setReusePort(fd));
  check('bind', sockets.bind(fd, sockaddr));
  if (isFirst && isShared) check('setsockopt', sockets.setReusePort(fd));
  check('listen', sockets.listen(fd, backlog));
  check('getsockname', sockets.ownAddress(fd));
  return new Sockaddrs().read(sockets.address, sockets.addressLength);
}
