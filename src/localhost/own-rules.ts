import type { Logger } from '../core/log.ts';
import type { Container } from '../docker/container.ts';
import { canManageRules } from '../nat/capabilities.ts';
import type { NamespaceEntry } from './entry.ts';

/** Bound on the helper, ms. */
const visitMs = 15_000;

/**
 * Has the ambassador's own rules set by somebody who may, where it may not itself: connectable did so, and was given nothing
 * but the engine's socket. Whoever starts the rules finds them there then, or says what is missing.
 *
 * @param self the ambassador's container
 */
export async function setOwnRules(
  self: Container | undefined,
  proxyPort: number,
  entry: NamespaceEntry,
  logger: Logger,
  mayByItself = canManageRules(),
): Promise<void> {
  if (mayByItself || self === undefined || self.networks.length === 0) return;
  const args = ['--setup-iptables', '--port', String(proxyPort)];
  const outcome = await entry.run(self, args, AbortSignal.timeout(visitMs));
  if (outcome.ok) logger.info(`${outcome.value.trim().split('\n').at(-1)} (by ${entry.name})`);
  else logger.warn(`${entry.name}: ${outcome.error.message}`, { code: outcome.error.code });
}
