import { AppError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { PartStack } from '../core/part.ts';
import { beginRules, removeOlderRules } from '../nat/begin.ts';
import { canManageRules } from '../nat/capabilities.ts';
import { type RuleSettings, ruleSetOf, wouldTakeHost } from '../nat/settings.ts';
import { applyTracking } from '../nat/tracking.ts';
import type { DataPlane } from '../proxy/data-plane.ts';
import { beginSteering } from '../steering/begin.ts';

/** auto: steering where it works, else nat rules. off: somebody else sets rules. */
export const interceptionModes = ['auto', 'steer', 'nat', 'off'] as const;
export type InterceptionMode = (typeof interceptionModes)[number];

export interface InterceptionOptions {
  readonly mode: InterceptionMode;
  /** Listening. */
  readonly proxy: DataPlane;
  /** The ambassador's own container, for the command that is advised. */
  readonly selfName: string | undefined;
  readonly logger: Logger;
  readonly parts: PartStack;
}

/**
 * What brings the connections of containers to the proxy.
 *
 * @throws AppError ERR_CANNOT_START where steering is required and does not work; ERR_RULES as `beginRules`
 */
export async function startInterception(settings: RuleSettings, options: InterceptionOptions): Promise<void> {
  const { mode, logger } = options;
  if (settings.tracking !== undefined) await applyTracking(settings.tracking, logger);
  if (mode === 'auto' || mode === 'steer') {
    const why = await steer(settings, options);
    if (why === undefined) return;
    if (mode === 'steer') throw new AppError('ERR_CANNOT_START', `--rules=steer, but ${why}`);
    logger.info(`steering off: ${why}; the connections are left to nat rules`);
  }
  await beginRules(settings, { ...options, manageRules: mode !== 'off' });
}

/** @returns why it does not; undefined where it does */
async function steer(settings: RuleSettings, options: InterceptionOptions): Promise<string | undefined> {
  const { proxy, logger, parts } = options;
  // The host's own services would have to be told from what is the proxy's, and only rules follow them.
  if (settings.dnat !== undefined) return '--dnat is done by nat rules';
  const rules = await ruleSetOf(settings);
  if (await wouldTakeHost(rules)) return 'this is the network of the host';
  if (!canManageRules()) return 'CAP_NET_ADMIN is missing (--cap-add NET_ADMIN --cap-add BPF)';
  const { proxyPort, exceptPorts } = rules;
  const why = await beginSteering({ proxyPort, exceptPorts, listener: proxy.listener, logger, parts });
  if (why === undefined) await removeOlderRules(logger);
  return why;
}
