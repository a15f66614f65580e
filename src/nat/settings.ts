import { AppError } from '../core/errors.ts';
import type { RuleSet } from './rules.ts';
import { bridgeAddresses } from './system.ts';
import type { TrackingSettings } from './tracking.ts';

/** Which connections an operator wants the rules to bring to the proxy. */
export interface RuleSettings {
  readonly proxyPort: number;
  readonly adminPort?: number;
  /** Host networking; absent: the rules of the ambassador's own namespace. */
  readonly dnat?: {
    /** Empty: the addresses of docker0. */
    readonly proxyIps: readonly string[];
    readonly takePorts: readonly number[];
  };
  /** Absent: connection tracking stays as the kernel has it. */
  readonly tracking?: TrackingSettings;
}

/**
 * The rules that settings stand for on this machine.
 *
 * @throws AppError ERR_RULES where no address is named and there is no docker0 to ask for one
 */
export async function ruleSetOf(settings: RuleSettings): Promise<RuleSet> {
  const { proxyPort, adminPort, dnat } = settings;
  const exceptPorts = adminPort === undefined ? [] : [adminPort];
  if (dnat === undefined) return { kind: 'redirect', proxyPort, exceptPorts };
  const proxyIps = dnat.proxyIps.length > 0 ? dnat.proxyIps : await bridgeAddresses();
  if (proxyIps.length === 0) {
    const text =
      'there is no docker0 here whose address containers could dial: run with --net host, or name the address with --proxy-ip';
    throw new AppError('ERR_RULES', text);
  }
  return { kind: 'dnat', proxyPort, exceptPorts, proxyIps, takePorts: dnat.takePorts };
}

/**
 * Whether rules without --dnat would stand in the host's own namespace: they take every connection that arrives there, to
 * the host's own services too, and nobody wants that.
 */
export async function wouldTakeHost(rules: RuleSet): Promise<boolean> {
  return rules.kind === 'redirect' && (await bridgeAddresses()).length > 0;
}

/** @throws AppError ERR_RULES for rules that would take the host's own services */
export async function refuseHost(rules: RuleSet): Promise<void> {
  if (!(await wouldTakeHost(rules))) return;
  const text =
    'docker0 is here, so this is the network of the host: the rules would take every connection to the host itself; add --dnat, which takes only what containers send to docker0, or leave --net host out';
  throw new AppError('ERR_RULES', text);
}
