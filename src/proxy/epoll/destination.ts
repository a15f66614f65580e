import type { SocketAddress } from '../../core/address.ts';
import { errnos } from '../../sys/sockets.ts';
import type { DestinationKind } from '../data-plane.ts';
import type { Kernel } from './kernel.ts';
import type { Sockaddrs } from './sockaddrs.ts';

/** linux/in.h SOL_IP, linux/in6.h SOL_IPV6 */
const levels = { 4: 0, 6: 41 } as const;

/** Reads what a caller dialled. */
export class DestinationReader {
  readonly #kernel: Pick<Kernel, 'originalDestination' | 'ownAddress' | 'address' | 'addressLength'>;
  readonly #sockaddrs: Sockaddrs;
  readonly #kind: DestinationKind;
  readonly #ownPort: number | undefined;
  #isSteered = false;

  /** @param listener the socket that accepts */
  constructor(kernel: Kernel, sockaddrs: Sockaddrs, kind: DestinationKind, listener: number) {
    this.#kernel = kernel;
    this.#sockaddrs = sockaddrs;
    this.#kind = kind;
    const own = this.#own(listener);
    this.#ownPort = typeof own === 'number' ? undefined : own.port;
  }

  /**
   * Where conntrack knows nothing of the connection (ENOENT) or the kernel has no conntrack at all, nothing was
   * rewritten, and the socket's own address is what was dialled.
   *
   * @returns the address, or the number of the error
   */
  read(fd: number, family: 4 | 6): SocketAddress | number {
    if (this.#kind === 'own') return this.#own(fd);
    if (this.#isSteered) {
      // Only what somebody else's nat rules have led here has the port of the listening socket.
      const own = this.#own(fd);
      if (typeof own === 'number' || own.port !== this.#ownPort) return own;
    }
    const result = this.#kernel.originalDestination(fd, levels[family]);
    if (result >= 0) return this.#read();
    if (result !== -errnos.ENOENT && result !== -errnos.ENOPROTOOPT) return -result;
    const own = this.#own(fd);
    // From the second one on it is asked first.
    if (typeof own !== 'number' && own.port !== this.#ownPort) this.#isSteered = true;
    return own;
  }

  #own(fd: number): SocketAddress | number {
    const result = this.#kernel.ownAddress(fd);
    return result < 0 ? -result : this.#read();
  }

  #read(): SocketAddress {
    return this.#sockaddrs.read(this.#kernel.address, this.#kernel.addressLength);
  }
}
