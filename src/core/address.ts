import { BlockList, isIP } from 'node:net';

/** Where a connection goes to or comes from; `ip` is in the form of `canonicalIp`. */
export interface SocketAddress {
  readonly ip: string;
  /** 1..65535 */
  readonly port: number;
}

/**
 * The one spelling of an IP address that every table uses as a key: IPv4 as it is, an IPv4-mapped IPv6 address
 * (`::ffff:10.0.0.1`, what a dual-stack socket reports) as IPv4, other IPv6 compressed in lower case
 * (RFC 5952) and without a zone.
 *
 * @returns undefined where the text is no IP address
 */
export function canonicalIp(text: string): string | undefined {
  const zone = text.indexOf('%');
  const bare = zone === -1 ? text : text.slice(0, zone);
  const family = isIP(bare);
  if (family === 4) return bare;
  if (family === 0) return undefined;
  const compressed = new URL(`http://[${bare}]`).hostname.slice(1, -1);
  return mappedIpv4(compressed) ?? compressed;
}

/** The IPv4 address inside `::ffff:a00:1` (the compressed form that URL writes), else undefined. */
function mappedIpv4(compressed: string): string | undefined {
  const groups = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(compressed);
  if (!groups) return undefined;
  const [high, low] = [Number.parseInt(groups[1] ?? '', 16), Number.parseInt(groups[2] ?? '', 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

/** `10.0.0.1:80`, `[fe80::1]:80`; a name is written like an IPv4 address. */
export function formatHostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The port that a text of decimal digits means, 1..65535; undefined for anything else (also for `+80`, ` 80`, `0x50`). */
export function parsePort(text: string): number | undefined {
  if (!/^\d{1,5}$/.test(text)) return undefined;
  const port = Number(text);
  return port >= 1 && port <= 65_535 ? port : undefined;
}

const unroutable = new BlockList();
unroutable.addSubnet('0.0.0.0', 8, 'ipv4');
unroutable.addAddress('::', 'ipv6');

const local = new BlockList();
local.addSubnet('127.0.0.0', 8, 'ipv4');
local.addSubnet('169.254.0.0', 16, 'ipv4');
local.addAddress('::1', 'ipv6');
local.addSubnet('fe80::', 10, 'ipv6');

/** Loopback and link-local addresses: to the ambassador they mean itself or its own link, not the caller's. */
export function isLoopbackOrLinkLocal(ip: string): boolean {
  return local.check(ip, isIP(ip) === 6 ? 'ipv6' : 'ipv4');
}

/** Addresses that no connection may be sent to: `0.0.0.0/8` and `::` (Linux takes them for the machine itself). */
export function isUnspecified(ip: string): boolean {
  return unroutable.check(ip, isIP(ip) === 6 ? 'ipv6' : 'ipv4');
}
