import { canonicalIp, type SocketAddress } from '../core/address.ts';

/** linux/in.h, linux/in6.h: bytes of struct sockaddr_in and struct sockaddr_in6. */
export const sockaddrSize = { 4: 16, 6: 28 } as const;

/**
 * Reads a struct sockaddr_in or sockaddr_in6 (port and address in network byte order).
 *
 * @param bytes at least 8 bytes for IPv4, 24 for IPv6
 * @throws RangeError where the bytes are too few: a programming mistake
 */
export function readSockaddr(bytes: Buffer, family: 4 | 6): SocketAddress {
  const port = bytes.readUInt16BE(2);
  if (family === 4) return { ip: [...bytes.subarray(4, 8)].join('.'), port };
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(8 + 2 * index).toString(16));
  return { ip: canonicalIp(groups.join(':')) ?? '::', port };
}
