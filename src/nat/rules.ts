/**
 * Nat rules: they bring the connections of containers to the proxy.
 *
 *     const rules: RuleSet = { kind: 'redirect', proxyPort: 10000, exceptPorts: [10001] };
 *     const report = await installRules(rules, { run: commandRunner(), system: linuxSystem(), logger });
 *     await removeRules(deps); // exactly ours, from nft and from both kinds of iptables
 *
 * This file says what is wanted; nft-text.ts and iptables-text.ts write it down, method.ts carries it out, probe.ts proves
 * it, keeper.ts keeps it. README.md has the picture.
 */
import { isIP } from 'node:net';
import { canonicalIp, formatHostPort, isLoopbackOrLinkLocal, isUnspecified } from '../core/address.ts';
import { AppError } from '../core/errors.ts';
import type { Listener } from './listeners.ts';

export type Family = 4 | 6;

/** What the operator wants. */
export type RuleSet =
  /** Whatever arrives for any address of this network namespace, on any port but the excepted ones, goes to the proxy. */
  | { readonly kind: 'redirect'; readonly proxyPort: number; readonly exceptPorts: readonly number[] }
  /** Host networking: whatever arrives for the given addresses, on ports that nothing here listens on, goes to the proxy. */
  | {
      readonly kind: 'dnat';
      readonly proxyPort: number;
      /** The addresses that containers dial, usually those of `docker0`. */
      readonly proxyIps: readonly string[];
      readonly exceptPorts: readonly number[];
      /** Taken over even where the host listens on them. */
      readonly takePorts: readonly number[];
    };

/** What the rules are to be at this moment: the wish, with the host's listeners worked in. Sorted, so that equal plans are equal texts. */
export type RulePlan =
  | { readonly kind: 'redirect'; readonly proxyPort: number; readonly exceptPorts: readonly number[] }
  | { readonly kind: 'dnat'; readonly proxyPort: number; readonly targets: readonly DnatTarget[] };

export interface DnatTarget {
  /** Canonical. */
  readonly ip: string;
  readonly family: Family;
  /** Ports that stay as they are; the proxy's own is always among them. */
  readonly exceptPorts: readonly number[];
}

/** Firewall mark of the probe's packets: "nunc" in ASCII. No other packet a host sends itself is touched by the rules. */
export const probeMark = 0x6e756e63;

/**
 * Works out what the rules have to be.
 *
 * @param listeners the host's listening sockets; of no account for `redirect`
 * @throws AppError ERR_RULES for a port outside 1..65535, an address that is none, or one that no container can dial
 */
export function planRules(rules: RuleSet, listeners: readonly Listener[]): RulePlan {
  const { kind, proxyPort } = rules;
  const exceptPorts = [proxyPort, ...rules.exceptPorts];
  for (const port of exceptPorts) checkPort(port);
  if (kind === 'redirect') return { kind, proxyPort, exceptPorts: sortedPorts(exceptPorts) };
  for (const port of rules.takePorts) checkPort(port);
  const ips = new Set(rules.proxyIps.map(checkedIp));
  if (ips.size === 0) {
    throw new AppError('ERR_RULES', 'no address to take connections on: name one (PROXY_IP)');
  }
  const targets = [...ips].sort().map((ip) => {
    const listening = listeners.filter((listener) => isReachedBy(listener, ip)).map(({ port }) => port);
    const kept = listening.filter((port) => !rules.takePorts.includes(port));
    return { ip, family: familyOf(ip), exceptPorts: sortedPorts([...exceptPorts, ...kept]) };
  });
  return { kind, proxyPort, targets };
}

/** The families that a plan needs rules in. */
export function familiesOf(plan: RulePlan): readonly Family[] {
  if (plan.kind === 'redirect') return [4, 6];
  return ([4, 6] as const).filter((family) => plan.targets.some((target) => target.family === family));
}

export function familyOf(ip: string): Family {
  return isIP(ip) === 6 ? 6 : 4;
}

/** Equal for plans that mean the same rules. */
export function planKey(plan: RulePlan): string {
  return JSON.stringify(plan);
}

/** One line for logs. */
export function describePlan(plan: RulePlan): string {
  if (plan.kind === 'redirect') {
    return `every port of this network namespace but ${plan.exceptPorts.join(', ')} leads to port ${plan.proxyPort}`;
  }
  const targets = plan.targets.map(
    ({ ip, exceptPorts }) => `${formatHostPort(ip, plan.proxyPort)} (${exceptPorts.length} ports excepted)`,
  );
  return `connections to ${targets.join(' and ')} lead to the proxy`;
}

/** A `::` socket counts for both families: /proc does not tell whether it is for IPv6 only. */
function isReachedBy(listener: Listener, ip: string): boolean {
  return listener.ip === ip || listener.ip === '::' || (listener.ip === '0.0.0.0' && familyOf(ip) === 4);
}

function checkPort(port: number): void {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new AppError('ERR_RULES', `a port is a whole number from 1 to 65535, not "${port}"`);
  }
}

function checkedIp(text: string): string {
  const ip = canonicalIp(text);
  if (ip === undefined || isLoopbackOrLinkLocal(ip) || isUnspecified(ip)) {
    throw new AppError('ERR_RULES', `not an address that containers can dial: "${text}" (PROXY_IP)`);
  }
  return ip;
}

function sortedPorts(ports: readonly number[]): readonly number[] {
  return [...new Set(ports)].sort((a, b) => a - b);
}
