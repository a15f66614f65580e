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

  constructor(kernel: Kernel, sockaddrs: Sockaddrs, kind: DestinationKind) {
    this.#kernel = kernel;
    this.#sockaddrs = sockaddrs;
    this.#kind = kind;
  }

  /**
   * Where conntrack knows nothing of the connection (ENOENT) or the kernel has no conntrack at all, nothing was
   * rewritten, and the socket's own address is what was dialled.
   *
   * @returns the address, or the number of the error
   */
  read(fd: number, family: 4 | 6): SocketAddress | number {
    if (this.#kind === 'redirected') {
      const result = this.#kernel.originalDestination(fd, levels[family]);
      if (result >= 0) return this.#read();
      if (result !== -errnos.ENOENT && result !== -errnos.ENOPROTOOPT) return -result;
    }
    const result = this.#kernel.ownAddress(fd);
    return result < 0 ? -result : this.#read();
  }

  #read(): SocketAddress {
    return this.#sockaddrs.read(this.#kernel.address, this.#kernel.addressLength);
  }
}
