import { type Family, probeMark, type RulePlan } from './rules.ts';

/** The chain that is ours alone; a rule elsewhere is ours when it jumps here. */
export const iptablesChain = 'NUNCIO-PROXY';

/** xt_multiport takes no more ports in one rule (linux/netfilter/xt_multiport.h XT_MULTI_PORTS). */
const portsPerRule = 15;

const comment = (text: string) => `-m comment --comment "nuncio: ${text}"`;
const header = '*nat\n';
const commit = 'COMMIT\n';
/** With --noflush this makes the chain, or empties it where it is there. */
const emptyChain = `:${iptablesChain} - [0:0]\n`;

/**
 * The lines of `iptables -S` that are ours: our chain, its rules, the jumps to it. The empty text where there is none.
 * The order of the lines is the kernel's: the rules' order counts.
 */
export function ownRules(listing: string, chain = iptablesChain): string {
  const ours = new RegExp(`^-[NA] ${chain}(?: |$)|^-A .* -[jg] ${chain}\\s*$`);
  return listing
    .split('\n')
    .filter((line) => ours.test(line))
    .map((line) => `${line.trimEnd()}\n`)
    .join('');
}

/**
 * Input of `iptables-restore --noflush` that leaves our rules once, whatever of them was there before, in one commit.
 *
 * @param listing output of `iptables -t nat -S`
 */
export function iptablesInstallation(plan: RulePlan, family: Family, listing: string): string {
  const jump = `${comment('to the proxy')} -j ${iptablesChain}`;
  // The same order as in nft: redirect stands before everybody else's rules, dnat behind Docker's.
  const arriving = plan.kind === 'redirect' ? '-I PREROUTING 1' : '-A PREROUTING';
  const probing = plan.kind === 'redirect' ? '-I OUTPUT 1' : '-A OUTPUT';
  return [
    header,
    emptyChain,
    deleteJumps(listing),
    ...chainRules(plan, family).map((rule) => `-A ${iptablesChain} -p tcp ${rule}\n`),
    `${arriving} ! -i lo -p tcp ${jump}\n`,
    `${probing} -p tcp -m mark --mark 0x${probeMark.toString(16)} ${jump}\n`,
    commit,
  ].join('');
}

/**
 * Input of `iptables-restore --noflush` that takes away exactly ours.
 *
 * @param listing output of `iptables -t nat -S`
 * @returns undefined where nothing of ours is there
 */
export function iptablesRemoval(listing: string): string | undefined {
  if (ownRules(listing) === '') return undefined;
  return `${header}${emptyChain}${deleteJumps(listing)}-X ${iptablesChain}\n${commit}`;
}

function deleteJumps(listing: string): string {
  return ownRules(listing)
    .split('\n')
    .filter((line) => line.startsWith('-A ') && !line.startsWith(`-A ${iptablesChain} `))
    .map((line) => `-D${line.slice(2)}\n`)
    .join('');
}

function chainRules(plan: RulePlan, family: Family): string[] {
  if (plan.kind === 'redirect') {
    return [
      ...exceptions(plan.exceptPorts),
      `-m addrtype --dst-type LOCAL ${comment('to the proxy')} -j REDIRECT --to-ports ${plan.proxyPort}`,
    ];
  }
  return plan.targets
    .filter((target) => target.family === family)
    .flatMap(({ ip, exceptPorts }) => {
      const target = family === 4 ? ip : `[${ip}]`;
      const dnat = `${comment('to the proxy')} -j DNAT --to-destination ${target}:${plan.proxyPort}`;
      return [...exceptions(exceptPorts), dnat].map((rule) => `-d ${ip} ${rule}`);
    });
}

function exceptions(ports: readonly number[]): string[] {
  const rules: string[] = [];
  for (let from = 0; from < ports.length; from += portsPerRule) {
    const list = ports.slice(from, from + portsPerRule).join(',');
    rules.push(`-m multiport --dports ${list} ${comment('left alone')} -j RETURN`);
  }
  return rules;
}
