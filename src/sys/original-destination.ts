import type { SocketAddress } from '../core/address.ts';
import type { Libc } from './libc.ts';
import { readSockaddr, sockaddrSize } from './sockaddr.ts';

/** linux/netfilter_ipv4.h SO_ORIGINAL_DST, linux/netfilter_ipv6/ip6_tables.h IP6T_SO_ORIGINAL_DST: the same number. */
const SO_ORIGINAL_DST = 80;
/** linux/in.h IPPROTO_IP, linux/in6.h IPPROTO_IPV6. */
const levels = { 4: 0, 6: 41 } as const;

/**
 * The address that a connection was sent to before netfilter rewrote it.
 *
 * @param fd     the accepted socket, not the listener
 * @param family 4 also for an IPv4 peer on a dual-stack socket
 * @returns      equal to the socket's own address where nothing was rewritten
 * @throws AppError ERR_SYSCALL; errno ENOENT: conntrack has no entry in this socket's network namespace (it is not
 *               loaded there, or the connection was never tracked), ENOPROTOOPT: the kernel has no such option
 * Source: Linux net/netfilter/nf_conntrack_proto.c, getorigdst and ipv6_getorigdst
 */
export function originalDestination(libc: Libc, fd: number, family: 4 | 6): SocketAddress {
  return readSockaddr(libc.getsockopt(fd, levels[family], SO_ORIGINAL_DST, sockaddrSize[family]), family);
}
