import { isIP } from 'node:net';
import type { ProxyProtocol } from '../backend/backend.ts';
import type { SocketAddress } from '../core/address.ts';

/** CR LF CR LF NUL CR LF QUIT LF */
const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
/** Version 2, command PROXY. */
const versionAndCommand = 0x21;
/** Address family and transport: TCP over IPv4, TCP over IPv6. */
const families = { 4: 0x11, 6: 0x21 } as const;

/**
 * The greeting that tells an endpoint who called (`?send-proxy=v1|v2`): sent before the caller's first byte.
 *
 * @param caller      the container's address and port
 * @param destination what it dialled, of the same family
 * Source: haproxy.org, proxy-protocol.txt, sections 2.1 and 2.2
 */
export function proxyHeader(
  version: ProxyProtocol,
  caller: SocketAddress,
  destination: SocketAddress,
): Buffer {
  const family = isIP(caller.ip) === 6 ? 6 : 4;
  if (version === 'v1') {
    const line = `PROXY TCP${family} ${caller.ip} ${destination.ip} ${caller.port} ${destination.port}\r\n`;
    return Buffer.from(line, 'latin1');
  }
  const addresses = Buffer.concat([addressBytes(caller.ip), addressBytes(destination.ip)]);
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(caller.port, 0);
  ports.writeUInt16BE(destination.port, 2);
  const head = Buffer.from([versionAndCommand, families[family], 0, addresses.length + ports.length]);
  return Buffer.concat([signature, head, addresses, ports]);
}

/** @param ip canonical */
function addressBytes(ip: string): Buffer {
  if (isIP(ip) === 4) return Buffer.from(ip.split('.').map(Number));
  const [left = '', right] = ip.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':'));
  const [before, after] = [groups(left), groups(right ?? '')];
  const zeros = Array<string>(8 - before.length - after.length).fill('0');
  const bytes = Buffer.alloc(16);
  for (const [index, group] of [...before, ...zeros, ...after].entries()) {
    bytes.writeUInt16BE(Number.parseInt(group, 16), 2 * index);
  }
  return bytes;
}
