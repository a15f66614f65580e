import { formatHostPort, isLoopbackOrLinkLocal, type SocketAddress } from '../core/address.ts';
import type { ConnectOutcome } from '../sys/marked-socket.ts';
import type { Listener } from './listeners.ts';
import { type Family, familyOf, probeMark, type RulePlan } from './rules.ts';
import { standIn } from './stand-in.ts';
import type { NatSystem } from './system.ts';

/** How long one probe connection may take, ms: it never leaves the machine. */
const connectTimeoutMs = 2000;

/** What a connection through the rules has shown. */
export type ProbeReport =
  /** `via`: the addresses that were dialled, one a family or one a bridge address. */
  | { readonly kind: 'passed'; readonly via: readonly string[] }
  /** The kernel did not take the connection to the proxy's port. */
  | { readonly kind: 'ignored'; readonly reason: string }
  /** Nothing could be shown: no address to dial, or no right to mark a packet. */
  | { readonly kind: 'impossible'; readonly reason: string };

type Fault = Exclude<ProbeReport, { kind: 'passed' }>;

interface Target {
  /** What is dialled; nobody listens there. */
  readonly dialled: SocketAddress;
  /** Where the rules take it. */
  readonly arrival: SocketAddress;
}

/**
 * Opens one connection for each family (redirect) or bridge address (dnat) to a port that nobody listens on: only the rules
 * can have it accepted. Where nothing listens on the proxy's port yet, the probe itself does for that moment.
 *
 * @param families those that the rules cover
 */
export async function probeRules(
  plan: RulePlan,
  families: readonly Family[],
  system: NatSystem,
  signal?: AbortSignal,
): Promise<ProbeReport> {
  const listeners = await system.listeners();
  const targets = probeTargets(plan, families, await system.addresses(), listeners);
  if (targets.length === 0) {
    return { kind: 'impossible', reason: 'there is no address but loopback to be probed' };
  }
  const via: string[] = [];
  for (const target of targets) {
    const report = await probeOne(target, listeners, system, signal);
    if (report !== undefined) return report;
    via.push(target.dialled.ip);
  }
  return { kind: 'passed', via };
}

/** Where the probe goes. Pure. */
export function probeTargets(
  plan: RulePlan,
  families: readonly Family[],
  addresses: readonly string[],
  listeners: readonly Listener[],
): readonly Target[] {
  const target = (ip: string, arrivalIp: string, exceptPorts: readonly number[]): Target => ({
    dialled: { ip, port: unusedPort(exceptPorts, listeners) },
    arrival: { ip: arrivalIp, port: plan.proxyPort },
  });
  if (plan.kind === 'dnat') {
    const covered = plan.targets.filter(({ family }) => families.includes(family));
    return covered.map(({ ip, exceptPorts }) => target(ip, ip, exceptPorts));
  }
  return families.flatMap((family) => {
    // At the output hook REDIRECT leads to loopback (Linux net/netfilter/nf_nat_redirect.c); without ::1 it leads nowhere.
    const loopback = family === 4 ? '127.0.0.1' : '::1';
    const own = addresses.find((ip) => familyOf(ip) === family && !isLoopbackOrLinkLocal(ip));
    if (own === undefined || !addresses.includes(loopback)) return [];
    return [target(own, loopback, plan.exceptPorts)];
  });
}

function unusedPort(exceptPorts: readonly number[], listeners: readonly Listener[]): number {
  const used = new Set([...exceptPorts, ...listeners.map(({ port }) => port)]);
  for (let port = 1; port < 65_535; port++) if (!used.has(port)) return port;
  return 65_535;
}

/** Undefined when the connection went through. */
async function probeOne(
  { dialled, arrival }: Target,
  listeners: readonly Listener[],
  system: NatSystem,
  signal?: AbortSignal,
): Promise<Fault | undefined> {
  const name = formatHostPort(dialled.ip, dialled.port);
  const stand = isListenedOn(arrival, listeners) ? undefined : await standIn(arrival, connectTimeoutMs);
  if (stand !== undefined && !stand.ok) return { kind: 'impossible', reason: stand.error.message };
  try {
    const options = { mark: probeMark, timeoutMs: connectTimeoutMs, signal };
    const outcome = await system.connectMarked(dialled, options);
    const isElsewhere = outcome.kind === 'accepted' && stand !== undefined && !(await stand.value.arrived);
    return isElsewhere
      ? { kind: 'ignored', reason: `the probe connection to ${name} went to another program` }
      : faultOf(outcome, name);
  } finally {
    await stand?.value.close();
  }
}

function faultOf(outcome: ConnectOutcome, name: string): Fault | undefined {
  switch (outcome.kind) {
    case 'accepted':
      return undefined;
    case 'refused':
      return { kind: 'ignored', reason: `the probe connection to ${name} was refused` };
    case 'timed-out':
      return {
        kind: 'ignored',
        reason: `the probe connection to ${name} got no answer (dropped by a filter?)`,
      };
    case 'failed': {
      const { syscall, errno } = outcome;
      if (syscall !== 'setsockopt') {
        return { kind: 'ignored', reason: `the probe connection to ${name} failed: ${syscall}: ${errno}` };
      }
      const needs = 'that needs CAP_NET_ADMIN, or CAP_NET_RAW from Linux 5.17 on';
      return { kind: 'impossible', reason: `the probe may not mark its packets (${errno}): ${needs}` };
    }
  }
}

function isListenedOn(arrival: SocketAddress, listeners: readonly Listener[]): boolean {
  const wildcards = familyOf(arrival.ip) === 4 ? ['0.0.0.0', '::'] : ['::'];
  return listeners.some(
    ({ ip, port }) => port === arrival.port && (ip === arrival.ip || wildcards.includes(ip)),
  );
}
