import { isLoopbackOrLinkLocal } from '../core/address.ts';
import { AppError, messageOf } from '../core/errors.ts';
import type { LogFields, Logger } from '../core/log.ts';
import type { RunCommand } from './command.ts';
import { findIptables, IptablesMethod } from './iptables-method.ts';
import type { Installed, RuleMethod } from './method.ts';
import { nftMethod } from './nft-method.ts';
import { type ProbeReport, probeRules } from './probe.ts';
import {
  describePlan,
  type Family,
  familiesOf,
  familyOf,
  planRules,
  type RulePlan,
  type RuleSet,
} from './rules.ts';
import type { NatSystem } from './system.ts';

export interface RuleDeps {
  readonly run: RunCommand;
  readonly system: NatSystem;
  readonly logger: Logger;
  /** Cuts the work off; rules that are set by then stay. */
  readonly signal?: AbortSignal;
}

export interface InstallReport {
  readonly method: RuleMethod['name'];
  readonly families: readonly Family[];
  /** Never `ignored`: that is an error. */
  readonly probe: ProbeReport;
  readonly plan: RulePlan;
}

export interface RemoveReport {
  /** Where rules of ours were found, and are no more. */
  readonly removedFrom: readonly RuleMethod['name'][];
}

/** What is known of rules that somebody else may have set. */
export type RulesFound =
  | { readonly kind: 'present' }
  | { readonly kind: 'absent'; readonly reason: string }
  | { readonly kind: 'unknown'; readonly reason: string };

/** One line for logs: `nat rules set by nft, IPv4 and IPv6: …; proved by a connection to 172.17.0.5`. */
export function describeInstall({ method, families, plan, probe }: InstallReport): string {
  const covered = families.map((family) => `IPv${family}`).join(' and ');
  const proof =
    probe.kind === 'passed'
      ? `proved by a connection to ${probe.via.join(' and ')}`
      : `not proved: ${probe.reason}`;
  return `nat rules set by ${method}, ${covered}: ${describePlan(plan)}; ${proof}`;
}

/**
 * Sets the rules, by the first method that works: nft, then the machine's kinds of iptables. "Works" means that the kernel
 * sends a probe connection to the proxy's port. Installing twice leaves what installing once leaves; what an earlier run left
 * by another method is removed.
 *
 * @throws AppError ERR_RULES: no CAP_NET_ADMIN, a rule set that makes no sense, or no method that works
 */
export async function installRules(rules: RuleSet, deps: RuleDeps): Promise<InstallReport> {
  return (await install(rules, deps)).report;
}

/** As `installRules`; also hands out the method, for whoever looks after the rules from then on. */
export async function install(
  rules: RuleSet,
  deps: RuleDeps,
): Promise<{ report: InstallReport; method: RuleMethod }> {
  requireNetAdmin(deps.system);
  const { logger, signal } = deps;
  const plan = planRules(rules, rules.kind === 'dnat' ? await deps.system.listeners() : []);
  const methods = await findMethods(deps);
  const reasons: string[] = [];
  for (const method of methods) {
    const installed = await method.install(plan, signal);
    if (!installed.ok) {
      reasons.push(`${method.name} (${installed.error.message})`);
      continue;
    }
    for (const other of methods) if (other !== method) await removeBy(other, deps);
    const { families } = installed.value;
    const probe = await probeRules(plan, families, deps.system, signal);
    if (probe.kind === 'ignored') {
      reasons.push(`${method.name} (rules were set, but ${probe.reason})`);
      await removeBy(method, deps);
      continue;
    }
    if (reasons.length > 0) logger.warn('nat rules: not every method works here', { tried: reasons });
    await reportMissing(installed.value, deps);
    return { report: { method: method.name, families, probe, plan }, method };
  }
  const advice =
    'install nftables or iptables, see that the kernel has nf_tables or ip_tables with nat, and look for other rules that take or drop these connections (nft list ruleset; iptables-legacy -t nat -S)';
  throw new AppError('ERR_RULES', `nat rules cannot be set here: ${reasons.join('; ')}; ${advice}`);
}

/**
 * Takes exactly our rules away, whichever method and whichever run set them. Nothing to remove is success.
 *
 * @throws AppError ERR_RULES: no CAP_NET_ADMIN, or rules of ours that could not be removed
 */
export async function removeRules(deps: RuleDeps): Promise<RemoveReport> {
  requireNetAdmin(deps.system);
  const removedFrom: RuleMethod['name'][] = [];
  const problems: string[] = [];
  const unreadable: string[] = [];
  const methods = await findMethods(deps);
  for (const method of methods) {
    const standing = await method.read(deps.signal);
    // A kernel without nf_tables, or a program that is not there, holds no rules: only when nothing can be read is that a fault.
    if (!standing.ok) unreadable.push(`${method.name} (${standing.error.message})`);
    if (!standing.ok || standing.value === '') continue;
    const removed = await method.remove(deps.signal);
    if (removed.ok) removedFrom.push(method.name);
    else problems.push(`${method.name} (${removed.error.message})`);
  }
  if (unreadable.length === methods.length) problems.push(...unreadable);
  if (problems.length > 0) {
    throw new AppError(
      'ERR_RULES',
      `nat rules may be left: ${problems.join('; ')}; remove table inet nuncio and chain NUNCIO-PROXY by hand`,
    );
  }
  return { removedFrom };
}

/**
 * Whether rules are at work, by a probe connection: listing them needs CAP_NET_ADMIN, probing only CAP_NET_RAW (Linux 5.17 on),
 * which Docker gives to every container.
 *
 * @throws AppError ERR_RULES for a rule set that makes no sense
 */
export async function findRules(rules: RuleSet, deps: Omit<RuleDeps, 'run' | 'logger'>): Promise<RulesFound> {
  const plan = planRules(rules, rules.kind === 'dnat' ? await deps.system.listeners() : []);
  try {
    const report = await probeRules(plan, familiesOf(plan).slice(0, 1), deps.system, deps.signal);
    if (report.kind === 'passed') return { kind: 'present' };
    return { kind: report.kind === 'ignored' ? 'absent' : 'unknown', reason: report.reason };
  } catch (thrown) {
    return { kind: 'unknown', reason: messageOf(thrown) };
  }
}

function requireNetAdmin(system: NatSystem): void {
  if (system.canManageRules()) return;
  const text =
    'nat rules cannot be changed: this process lacks CAP_NET_ADMIN; run the container with --cap-add NET_ADMIN (or --privileged)';
  throw new AppError('ERR_RULES', text);
}

async function findMethods({ run, system, signal }: RuleDeps): Promise<readonly RuleMethod[]> {
  const programs = await findIptables(run, signal);
  return [
    nftMethod(run),
    ...programs.map((program) => new IptablesMethod(program, run, (family) => system.hasLegacyNat(family))),
  ];
}

async function removeBy(method: RuleMethod, { logger, signal }: RuleDeps): Promise<void> {
  const removed = await method.remove(signal);
  const fields: LogFields = { method: method.name };
  if (!removed.ok)
    logger.debug('nat rules: cannot look for older ones', { ...fields, reason: removed.error.message });
  else if (removed.value) logger.info('nat rules: older ones removed', fields);
}

async function reportMissing({ missing }: Installed, { logger, system }: RuleDeps): Promise<void> {
  if (missing === undefined) return;
  const own = await system.addresses();
  const hasIpv6 = own.some((ip) => familyOf(ip) === 6 && !isLoopbackOrLinkLocal(ip));
  const report = hasIpv6 ? logger.warn.bind(logger) : logger.info.bind(logger);
  report('nat rules: IPv4 only, IPv6 connections do not reach the proxy', { reason: missing });
}
