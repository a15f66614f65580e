import { sleep } from '../core/backoff.ts';
import { messageOf } from '../core/errors.ts';
import type { Part } from '../core/part.ts';
import { type InstallReport, install, type RuleDeps, removeRules } from './install.ts';
import type { RuleMethod } from './method.ts';
import { describePlan, planKey, planRules, type RuleSet } from './rules.ts';

/** What a round found and did. */
export type RoundResult =
  | 'intact'
  /** The host's listeners changed, and the exceptions with them. */
  | 'refreshed'
  /** The rules had vanished or were not as they should be. */
  | 'repaired'
  | 'failed'
  /** The keeper does not run. */
  | 'idle';

interface Kept {
  readonly method: RuleMethod;
  readonly planKey: string;
  /** The rules as the method read them back after setting them. */
  readonly text: string;
}

export interface RuleKeeperOptions extends Omit<RuleDeps, 'signal'> {
  readonly rules: RuleSet;
  /** Time between the end of a round and the next one, ms. */
  readonly intervalMs?: number;
}

/** How long removing may take at least, ms: a stop in haste must not leave rules that lead to nobody. */
const minRemovalMs = 3000;

/** Sets the rules, puts them back when somebody takes them away, and removes them in the end. */
export class RuleKeeper implements Part {
  readonly #options: RuleKeeperOptions;
  #running: AbortController | undefined;
  #kept: Kept | undefined;
  #report: InstallReport | undefined;
  #round: Promise<RoundResult> | undefined;
  #loop: Promise<void> = Promise.resolve();
  #problem: string | undefined;

  constructor(options: RuleKeeperOptions) {
    this.#options = options;
  }

  /** How the rules were set last; undefined before `start`. */
  get report(): InstallReport | undefined {
    return this.#report;
  }

  /** @throws AppError ERR_RULES as `installRules`; no rule is left then */
  async start(): Promise<void> {
    if (this.#running !== undefined) return;
    const running = new AbortController();
    this.#running = running;
    const begun = this.#begin(running.signal);
    // A stop that comes while the rules are being set waits for this too.
    this.#loop = begun;
    await begun;
    this.#loop = this.#repeat(running.signal);
  }

  async #begin(signal: AbortSignal): Promise<void> {
    try {
      await this.#install(signal);
    } catch (thrown) {
      await this.#undo(thrown);
      throw thrown;
    }
  }

  async stop(deadlineMs: number): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    running.abort();
    await Promise.allSettled([this.#loop, this.#round]);
    this.#kept = undefined;
    const signal = AbortSignal.timeout(Math.max(deadlineMs, minRemovalMs));
    const { removedFrom } = await removeRules({ ...this.#options, signal });
    this.#options.logger.info('nat rules removed', { from: removedFrom });
  }

  /** One round now, or the outcome of the one under way. Never throws. */
  checkNow(): Promise<RoundResult> {
    const running = this.#running;
    if (running === undefined) return Promise.resolve('idle');
    this.#round ??= this.#checkOnce(running.signal).finally(() => {
      this.#round = undefined;
    });
    return this.#round;
  }

  async #repeat(signal: AbortSignal): Promise<void> {
    for (;;) {
      await sleep(this.#options.intervalMs ?? 5000, signal);
      if (signal.aborted) return;
      await this.checkNow();
    }
  }

  async #checkOnce(signal: AbortSignal): Promise<RoundResult> {
    try {
      const result = await this.#check(signal);
      if (this.#problem !== undefined) this.#options.logger.info('nat rules are in order again');
      this.#problem = undefined;
      return result;
    } catch (thrown) {
      const problem = messageOf(thrown);
      if (!signal.aborted && problem !== this.#problem) {
        this.#options.logger.error('nat rules cannot be kept; trying again', { problem });
        this.#problem = problem;
      }
      return 'failed';
    }
  }

  async #check(signal: AbortSignal): Promise<RoundResult> {
    const { rules, system, logger } = this.#options;
    const kept = this.#kept;
    const plan = planRules(rules, rules.kind === 'dnat' ? await system.listeners() : []);
    const standing = await kept?.method.read(signal);
    const isIntact = kept !== undefined && standing?.ok === true && standing.value === kept.text;
    if (isIntact && planKey(plan) === kept.planKey) return 'intact';
    signal.throwIfAborted();
    if (isIntact) {
      const installed = await kept.method.install(plan, signal);
      if (installed.ok) {
        await this.#keep(kept.method, planKey(plan), signal);
        logger.debug('nat rules follow the ports that this host listens on', { rules: describePlan(plan) });
        return 'refreshed';
      }
    }
    await this.#install(signal);
    logger.warn('nat rules had vanished or were changed; put back', { method: this.#report?.method });
    return 'repaired';
  }

  async #install(signal: AbortSignal): Promise<void> {
    const { report, method } = await install(this.#options.rules, { ...this.#options, signal });
    this.#report = report;
    await this.#keep(method, planKey(report.plan), signal);
  }

  async #keep(method: RuleMethod, key: string, signal: AbortSignal): Promise<void> {
    const standing = await method.read(signal);
    if (!standing.ok) throw standing.error;
    this.#kept = { method, planKey: key, text: standing.value };
  }

  async #undo(cause: unknown): Promise<void> {
    this.#running = undefined;
    const { logger, system } = this.#options;
    if (!system.canManageRules()) return;
    await removeRules(this.#options).catch((thrown: unknown) => {
      logger.warn('nat rules: clearing up failed', { problem: messageOf(thrown), after: messageOf(cause) });
    });
  }
}
