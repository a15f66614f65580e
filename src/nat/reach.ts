import { isLoopbackOrLinkLocal } from '../core/address.ts';
import { localAddresses } from '../sys/local-addresses.ts';
import { readListeners } from './listeners.ts';
import { planRules } from './rules.ts';
import { type RuleSettings, ruleSetOf, wouldTakeHost } from './settings.ts';

/** Where callers reach the proxy by way of the rules. */
export interface Reach {
  /** Canonical. */
  readonly addresses: ReadonlySet<string>;
  /** Ports at these addresses that the rules leave to whoever listens there. */
  readonly exceptPorts: ReadonlySet<number>;
}

/**
 * Reads what the rules mean at this moment; whether they are set is not asked.
 *
 * @throws AppError ERR_RULES as `ruleSetOf`; the file system's error
 */
export async function readReach(settings: RuleSettings): Promise<Reach> {
  const rules = await ruleSetOf(settings);
  if (rules.kind === 'redirect') {
    // On the host's network without --dnat no rule is set, and every address is the host's.
    if (await wouldTakeHost(rules)) return { addresses: new Set(), exceptPorts: new Set() };
    const addresses = (await localAddresses()).filter((ip) => !isLoopbackOrLinkLocal(ip));
    return { addresses: new Set(addresses), exceptPorts: new Set(rules.exceptPorts) };
  }
  const plan = planRules(rules, await readListeners());
  const targets = plan.kind === 'dnat' ? plan.targets : [];
  return {
    addresses: new Set(targets.map(({ ip }) => ip)),
    exceptPorts: new Set(targets.flatMap(({ exceptPorts }) => exceptPorts)),
  };
}
