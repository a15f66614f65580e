import type { Logger } from '../core/log.ts';
import { clearLead } from '../localhost/rules.ts';
import { linuxNamespace } from '../localhost/system.ts';
import { commandRunner } from '../nat/command.ts';
import { describeInstall, installRules, removeRules } from '../nat/install.ts';
import { type RuleSettings, refuseHost, ruleSetOf } from '../nat/settings.ts';
import { linuxSystem } from '../nat/system.ts';
import { applyTracking } from '../nat/tracking.ts';

/**
 * `nuncio --setup-iptables`: sets the rules in this network namespace and proves them.
 *
 * @returns the line to print
 * @throws AppError ERR_RULES
 */
export async function setupRules(settings: RuleSettings, logger: Logger): Promise<string> {
  if (settings.tracking !== undefined) await applyTracking(settings.tracking, logger);
  const rules = await ruleSetOf(settings);
  await refuseHost(rules);
  const deps = { run: commandRunner(), system: linuxSystem(), logger };
  return describeInstall(await installRules(rules, deps));
}

/**
 * `nuncio --cleanup-iptables`: removes exactly our rules, an ambassador's as well as a caller's for its localhost.
 *
 * @returns the line to print
 * @throws AppError ERR_RULES
 */
export async function cleanupRules(logger: Logger): Promise<string> {
  const { removedFrom } = await removeRules({ run: commandRunner(), system: linuxSystem(), logger });
  const places: string[] = [...removedFrom];
  if (await clearLead(undefined, await linuxNamespace())) places.push('localhost');
  return places.length === 0 ? 'no rules of nuncio were here' : `rules removed from ${places.join(' and ')}`;
}
