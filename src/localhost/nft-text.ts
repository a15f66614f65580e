import type { Standing } from './method.ts';

/** The table that is ours alone, in a namespace where the ambassador's own (`inet nuncio`) may stand too. */
export const nftTable = 'ip nuncio_localhost';

const setUp = (body: string) => `table ${nftTable} {}\ndelete table ${nftTable}\n${body}`;

/** Input of `nft -f -` that takes the table away, whether it is there or not. */
export const nftRemoval = setUp('');

/**
 * Input of `nft -f -` that puts the rules in place of whatever stood in our table, in one transaction.
 *
 * Whose setting was switched on by us is guarded from then on: without that, a neighbour on the same network could reach what
 * listens on the container's loopback (CVE-2020-8558). The guard stands before conntrack gives replies their 127.0.0.1 back.
 *
 * Source: nft(8); -105 stands before Docker's and iptables' rules at the output hook (-100), as ours do elsewhere
 */
export function nftInstallation({ address, ports, switched }: Standing): string {
  const chain = (name: string, ...lines: string[]) =>
    `  chain ${name} {\n${lines.map((line) => `    ${line}\n`).join('')}  }\n`;
  const guards = switched.flatMap((name) => [
    `iifname "${name}" ip daddr 127.0.0.0/8 drop`,
    `iifname "${name}" ip saddr 127.0.0.0/8 drop`,
  ]);
  return setUp(
    `table ${nftTable} {\n${chain(
      'output',
      'type nat hook output priority -105; policy accept;',
      `ip daddr 127.0.0.1 tcp dport { ${ports.join(', ')} } dnat to ${address}`,
    )}${chain(
      'postrouting',
      'type nat hook postrouting priority 95; policy accept;',
      `oifname != "lo" ip saddr 127.0.0.0/8 ip daddr ${address} masquerade`,
    )}${chain('prerouting', 'type filter hook prerouting priority -300; policy accept;', ...guards)}}\n`,
  );
}

/** Reads `nft list table` of our table; undefined where it is not as `nftInstallation` writes it. */
export function readNftTable(text: string): Standing | undefined {
  const rule = /tcp dport (?:\{ ([\d, ]+) \}|(\d+)) dnat to ([\d.]+)/.exec(text);
  const [, many, one, address] = rule ?? [];
  if (address === undefined) return undefined;
  const ports = (many ?? one ?? '').split(',').map(Number);
  const switched = [...text.matchAll(/iifname "([^"]+)" ip daddr 127\.0\.0\.0\/8 drop/g)].map(
    (match) => match[1] ?? '',
  );
  return { address, ports: ports.sort((a, b) => a - b), switched };
}
