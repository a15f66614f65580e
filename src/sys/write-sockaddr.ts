import { isIPv6 } from 'node:net';
import { canonicalIp, type SocketAddress } from '../core/address.ts';
import { sockaddrSize } from './sockaddr.ts';

/** linux/socket.h: the address families' numbers. */
export const addressFamily = { 4: 2, 6: 10 } as const;

/** The 16-bit groups of an IPv6 address in canonical form; `::` stands for as many zeros as are missing. */
function groupsOf(ip: string): number[] {
  const [head = '', tail] = ip.split('::');
  const numbers = (text: string) =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
  if (tail === undefined) return numbers(head);
  const [before, after] = [numbers(head), numbers(tail)];
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
}

/**
 * The bytes of a struct sockaddr_in (16) or sockaddr_in6 (28) for connect(2): family in the machine's byte order, port
 * and address in the network's. The counterpart of `readSockaddr`.
 *
 * @throws RangeError where `ip` is no IP address: a programming mistake
 */
export function writeSockaddr({ ip, port }: SocketAddress): Buffer {
  const canonical = canonicalIp(ip);
  if (canonical === undefined) throw new RangeError(`not an IP address: "${ip}"`);
  const family = isIPv6(canonical) ? 6 : 4;
  const bytes = Buffer.alloc(sockaddrSize[family]);
  new Uint16Array(bytes.buffer, bytes.byteOffset, 1)[0] = addressFamily[family];
  bytes.writeUInt16BE(port, 2);
  if (family === 4) bytes.set(canonical.split('.').map(Number), 4);
  else for (const [index, group] of groupsOf(canonical).entries()) bytes.writeUInt16BE(group, 8 + 2 * index);
  return bytes;
}
