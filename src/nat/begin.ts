import { messageOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { PartStack } from '../core/part.ts';
import { commandRunner } from './command.ts';
import { describeInstall, findRules, removeRules } from './install.ts';
import { RuleKeeper } from './keeper.ts';
import { type RuleSettings, refuseHost, ruleSetOf, wouldTakeHost } from './settings.ts';
import { linuxSystem } from './system.ts';

export interface BeginRulesOptions {
  /** False leaves the rules to `--setup-iptables`. */
  readonly manageRules: boolean;
  /** The ambassador's own container, for the command that it advises. */
  readonly selfName: string | undefined;
  readonly logger: Logger;
  readonly parts: PartStack;
}

/**
 * The ambassador's rules: set, kept and removed by itself where it may; else looked for, and where there are none the log
 * says which command sets them.
 *
 * @throws AppError ERR_RULES where it may set rules and cannot, or they would take the host's own services
 */
export async function beginRules(settings: RuleSettings, options: BeginRulesOptions): Promise<void> {
  const { manageRules, selfName, logger, parts } = options;
  const rules = await ruleSetOf(settings);
  const system = linuxSystem();
  if (manageRules && system.canManageRules()) {
    await refuseHost(rules);
    const keeper = await parts.begin(new RuleKeeper({ rules, run: commandRunner(), system, logger }));
    if (keeper.report !== undefined) logger.info(describeInstall(keeper.report));
    return;
  }
  if (await wouldTakeHost(rules)) {
    logger.info(`no rules are set: --dnat sets them, or your own lead to port ${settings.proxyPort}`);
    return;
  }
  const found = await findRules(rules, { system });
  if (found.kind === 'present') {
    logger.info('nat rules are there, set by somebody else');
    return;
  }
  const flags = settings.dnat === undefined ? '' : ' --dnat';
  const network = settings.dnat === undefined ? `container:${selfName ?? '<this container>'}` : 'host';
  const port = settings.proxyPort === 10_000 ? '' : ` --port ${settings.proxyPort}`;
  logger.warn(
    `nat rules are ${found.kind === 'absent' ? 'missing' : 'perhaps missing'} (${found.reason}); set them with: docker run --rm --privileged --net ${network} nuncio --setup-iptables${flags}${port} (or run this container with --cap-add NET_ADMIN)`,
  );
}

/** What an earlier run may have left, where something else brings the connections now. Never throws. */
export async function removeOlderRules(logger: Logger): Promise<void> {
  try {
    const { removedFrom } = await removeRules({ run: commandRunner(), system: linuxSystem(), logger });
    if (removedFrom.length > 0) logger.info('nat rules: older ones removed', { from: removedFrom });
  } catch (thrown) {
    // Without nft and iptables there are none; else these lead to the same port, or to one that nobody listens on.
    logger.debug('nat rules: cannot look for older ones', { reason: messageOf(thrown) });
  }
}
