import { readFile } from 'node:fs/promises';
import { isIPv4 } from 'node:net';
import { endianness } from 'node:os';

/** linux/route.h RTF_UP, RTF_REJECT */
const RTF_UP = 0x1;
const RTF_REJECT = 0x200;

/**
 * The interface that packets to an IPv4 address leave this network namespace by.
 *
 * @returns undefined where no route of the main table leads there
 * @throws the file system's error
 */
export async function outgoingInterface(ip: string): Promise<string | undefined> {
  return findRoute(await readFile('/proc/self/net/route', 'utf8'), ip);
}

/**
 * The interface of the longest matching route, of equal ones that with the lowest metric.
 *
 * @param table the text of /proc/net/route: a head, then a line a route; addresses are hexadecimal words in the machine's order
 * Source: Linux net/ipv4/fib_trie.c, fib_route_seq_show
 */
export function findRoute(table: string, ip: string): string | undefined {
  if (!isIPv4(ip)) return undefined;
  const wanted = word(Buffer.from(ip.split('.').map(Number)));
  const matching = table
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [name = '', to = '', , flags = '', , , metric = '', mask = ''] = line.trim().split(/\s+/);
      const bits = Number.parseInt(flags, 16);
      const [destination, netmask] = [procWord(to), procWord(mask)];
      const isMatch =
        (bits & RTF_UP) !== 0 && (bits & RTF_REJECT) === 0 && (wanted & netmask) === destination;
      return isMatch ? [{ name, netmask: netmask >>> 0, metric: Number(metric) }] : [];
    });
  return matching.sort((a, b) => b.netmask - a.netmask || a.metric - b.metric)[0]?.name;
}

function word(bytes: Buffer): number {
  return bytes.readInt32BE(0);
}

function procWord(hex: string): number {
  const bytes = Buffer.from(hex.padStart(8, '0'), 'hex');
  return word(endianness() === 'LE' ? bytes.reverse() : bytes);
}
