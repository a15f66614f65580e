import { canonicalIp } from '../../core/address.ts';

/** Addresses by host name in lower case; canonical, in the file's order, each once. */
export type HostsTable = ReadonlyMap<string, readonly string[]>;

/**
 * Reads the text of a hosts file: `address name alias…` a line, `#` begins a comment. A name on several lines has the
 * addresses of all of them. Lines that begin with no IP address are left out; no text is refused.
 *
 * Source: hosts(5)
 */
export function parseHosts(text: string): HostsTable {
  const table = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [address, ...names] = (line.split('#', 1)[0] ?? '').trim().split(/\s+/);
    const ip = canonicalIp(address ?? '');
    if (ip === undefined) continue;
    for (const name of names.map((spelling) => spelling.toLowerCase())) {
      const addresses = table.get(name);
      if (addresses === undefined) table.set(name, [ip]);
      else if (!addresses.includes(ip)) addresses.push(ip);
    }
  }
  return table;
}
