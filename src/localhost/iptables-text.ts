import { ownRules } from '../nat/iptables-text.ts';
import type { Standing } from './method.ts';

/** Chains that are ours alone; a rule elsewhere is ours when it jumps to one of them. */
const leading = 'NUNCIO-LOCALHOST';
const leaving = 'NUNCIO-LOCALHOST-OUT';

export const tables = ['nat', 'raw'] as const;
export type Table = (typeof tables)[number];

/** By table: output of `iptables -t <table> -S`. */
export type Listings = Readonly<Record<Table, string>>;

const chainsOf = { nat: [leading, leaving], raw: [leading] } as const;
const comment = '-m comment --comment "nuncio: localhost"';

/** Input of `iptables-restore --noflush` that leaves our rules once, whatever of them was there before; as nft-text.ts has them. */
export function iptablesInstallation({ address, ports, switched }: Standing, listings: Listings): string {
  const guards = switched.flatMap((name) => [`-i ${name} -d 127.0.0.0/8`, `-i ${name} -s 127.0.0.0/8`]);
  const rules: Readonly<Record<Table, readonly string[]>> = {
    nat: [
      ...ports.map((port) => {
        return `-A ${leading} -d 127.0.0.1/32 -p tcp -m tcp --dport ${port} ${comment} -j DNAT --to-destination ${address}`;
      }),
      `-A ${leaving} -s 127.0.0.0/8 -d ${address}/32 ! -o lo ${comment} -j MASQUERADE`,
      `-I OUTPUT 1 -d 127.0.0.1/32 -p tcp ${comment} -j ${leading}`,
      `-I POSTROUTING 1 -s 127.0.0.0/8 ${comment} -j ${leaving}`,
    ],
    raw: [
      ...guards.map((match) => `-A ${leading} ${match} ${comment} -j DROP`),
      `-I PREROUTING 1 ${comment} -j ${leading}`,
    ],
  };
  return tables
    .map((table) => section(table, [...emptied(table, listings[table]), ...rules[table]]))
    .join('');
}

/** Input that takes exactly ours away; the empty text where nothing of ours is there. */
export function iptablesRemoval(listings: Listings): string {
  return tables
    .filter((table) => ownIn(table, listings[table]) !== '')
    .map((table) => {
      return section(table, [
        ...emptied(table, listings[table]),
        ...chainsOf[table].map((chain) => `-X ${chain}`),
      ]);
    })
    .join('');
}

/** What the listings have of ours; undefined for nothing. */
export function readListings(listings: Listings): Standing | 'damaged' | undefined {
  if (tables.every((table) => ownIn(table, listings[table]) === '')) return undefined;
  const leads = [
    ...listings.nat.matchAll(
      new RegExp(`^-A ${leading} .*--dport (\\d+) .*--to-destination ([\\d.]+)$`, 'gm'),
    ),
  ];
  const address = leads[0]?.[2];
  if (address === undefined || !listings.nat.includes(`-j ${leaving}`) || listings.raw === '')
    return 'damaged';
  const drops = listings.raw.matchAll(
    new RegExp(`^-A ${leading} -d 127\\.0\\.0\\.0/8 -i (\\S+) .*DROP$`, 'gm'),
  );
  const ports = leads.map((match) => Number(match[1])).sort((a, b) => a - b);
  return { address, ports, switched: [...drops].map((match) => match[1] ?? '') };
}

function ownIn(table: Table, listing: string): string {
  return chainsOf[table].map((chain) => ownRules(listing, chain)).join('');
}

/** Our chains, there and empty, and nobody jumps to them. */
function emptied(table: Table, listing: string): string[] {
  const jumps = chainsOf[table].flatMap((chain) => {
    const own = ownRules(listing, chain).split('\n');
    return own.filter((line) => line.startsWith('-A ') && !line.startsWith(`-A ${chain} `));
  });
  return [
    ...chainsOf[table].map((chain) => `:${chain} - [0:0]`),
    ...jumps.map((line) => `-D${line.slice(2)}`),
  ];
}

function section(table: Table, lines: readonly string[]): string {
  return `*${table}\n${lines.map((line) => `${line}\n`).join('')}COMMIT\n`;
}
