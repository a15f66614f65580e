import { readFile } from 'node:fs/promises';
import { canonicalIp } from '../core/address.ts';
import { codeOf } from '../core/errors.ts';

/** linux/if_addr.h: the address is still being checked for a duplicate, or is one; nothing can be sent from it. */
const IFA_F_DADFAILED = 0x08;
const IFA_F_TENTATIVE = 0x40;

/** An IPv6 address of an interface, as the kernel lists it. */
export interface InterfaceIpv6 {
  readonly interfaceName: string;
  /** Canonical. */
  readonly ip: string;
  readonly scope: 'global' | 'link' | 'host' | 'other';
  /** Whether connections can use it already. */
  readonly isUsable: boolean;
}

/**
 * Every address of this network namespace, loopback too. `os.networkInterfaces()` leaves out an interface until its carrier
 * is reported, which takes up to a second after a container's start, and for a bridge without ports for ever.
 *
 * @returns canonical, IPv4 first; IPv6 addresses that are not usable yet are left out
 * @throws the file system's error; missing files are a kernel without that family
 */
export async function localAddresses(): Promise<readonly string[]> {
  const ipv4 = parseFibTrie(await readOrEmpty('/proc/self/net/fib_trie'));
  const ipv6 = (await readInterfaceIpv6()).filter(({ isUsable }) => isUsable).map(({ ip }) => ip);
  return [...ipv4, ...ipv6];
}

export async function readInterfaceIpv6(): Promise<readonly InterfaceIpv6[]> {
  return parseIfInet6(await readOrEmpty('/proc/self/net/if_inet6'));
}

/**
 * The IPv4 addresses that are this machine's own, from the text of /proc/net/fib_trie.
 *
 * Source: Linux net/ipv4/fib_trie.c, fib_trie_seq_show: a leaf's address, then a line for each of its routes
 */
export function parseFibTrie(text: string): readonly string[] {
  const leaves = text.matchAll(/\|-- ([\d.]+)\n(?:\s+\/\d+ .*\n)*?\s+\/32 host LOCAL/g);
  return [...new Set([...leaves].map((match) => match[1] ?? ''))];
}

const scopes: Readonly<Record<string, InterfaceIpv6['scope']>> = {
  '00': 'global',
  '10': 'host',
  '20': 'link',
};

/**
 * The lines of /proc/net/if_inet6: address, interface index, prefix length, scope, flags (hexadecimal all), name.
 *
 * Source: Linux net/ipv6/addrconf.c, if6_seq_show
 */
export function parseIfInet6(text: string): readonly InterfaceIpv6[] {
  return text.split('\n').flatMap((line) => {
    const [hex = '', , , scope = '', flags = '', interfaceName] = line.trim().split(/\s+/);
    const ip = canonicalIp(hex.match(/.{4}/g)?.join(':') ?? '');
    if (ip === undefined || interfaceName === undefined) return [];
    const isUsable = (Number.parseInt(flags, 16) & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) === 0;
    return [{ interfaceName, ip, scope: scopes[scope] ?? 'other', isUsable }];
  });
}

async function readOrEmpty(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (thrown) {
    if (codeOf(thrown) === 'ENOENT') return '';
    throw thrown;
  }
}
