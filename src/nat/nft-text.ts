import { type DnatTarget, probeMark, type RulePlan } from './rules.ts';

/** The table that is ours alone: `inet` covers IPv4 and IPv6. */
export const nftTable = 'inet nuncio';

/**
 * Where our chains stand among others at the same hook. -100 is `dstnat`, Docker's place. Redirect goes before it: nobody else
 * may take a connection out of the ambassador's own namespace. Dnat goes after it: a published port stays Docker's.
 */
const priority = { redirect: -105, dnat: -90 } as const;

const setUp = (body: string) => `table ${nftTable} {}\ndelete table ${nftTable}\n${body}`;

/** Input of `nft -f -` that takes the table away, whether it is there or not (`destroy` needs Linux 6.3). */
export const nftRemoval = setUp('');

/**
 * Input of `nft -f -` that puts the rules in place of whatever stood in our table, in one transaction.
 *
 * One chain holds the rules. Two others jump to it: at `prerouting` with what arrives, at `output` only with the probe's packets.
 *
 * Source: nft(8); type nat in family inet needs Linux 5.2
 */
export function nftInstallation(plan: RulePlan): string {
  const lines =
    plan.kind === 'redirect' ? redirectRules(plan) : plan.targets.flatMap((t) => dnatRules(t, plan));
  const hook = (name: string, rule: string) =>
    `  chain ${name} {\n    type nat hook ${name} priority ${priority[plan.kind]}; policy accept;\n    ${rule}\n  }\n`;
  return setUp(
    `table ${nftTable} {\n` +
      `  chain redirect_to_proxy {\n${lines.map((line) => `    ${line}\n`).join('')}  }\n` +
      hook('prerouting', 'iifname != "lo" meta l4proto tcp jump redirect_to_proxy') +
      hook('output', `meta mark 0x${probeMark.toString(16)} meta l4proto tcp jump redirect_to_proxy`) +
      `}\n`,
  );
}

function redirectRules({ exceptPorts, proxyPort }: RulePlan & { kind: 'redirect' }): string[] {
  return [
    `tcp dport { ${exceptPorts.join(', ')} } return`,
    `fib daddr type local meta l4proto tcp redirect to :${proxyPort}`,
  ];
}

/** The address stays, only the port changes: a proxy that is bound to this address alone works too. */
function dnatRules({ ip, family, exceptPorts }: DnatTarget, { proxyPort }: RulePlan): string[] {
  const word = family === 4 ? 'ip' : 'ip6';
  const target = family === 4 ? ip : `[${ip}]`;
  return [
    `${word} daddr ${ip} tcp dport { ${exceptPorts.join(', ')} } return`,
    `${word} daddr ${ip} meta l4proto tcp dnat ${word} to ${target}:${proxyPort}`,
  ];
}
