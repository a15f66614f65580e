import type { Result } from '../core/result.ts';
import type { Family, RulePlan } from './rules.ts';

/** A way of setting rules: nft, or one kind of iptables. No call throws. */
export interface RuleMethod {
  /** What log lines call it. */
  readonly name: 'nft' | 'iptables-nft' | 'iptables-legacy';

  /** Leaves exactly the plan's rules of ours, whatever of ours was there before; where it fails, the earlier ones stay. */
  install(plan: RulePlan, signal?: AbortSignal): Promise<Result<Installed>>;

  /** Our rules as they stand, in a form to be compared with an earlier answer; the empty text where there are none. */
  read(signal?: AbortSignal): Promise<Result<string>>;

  /**
   * Takes exactly our rules away.
   * @returns whether there were any
   */
  remove(signal?: AbortSignal): Promise<Result<boolean>>;
}

export interface Installed {
  /** The families that the rules cover now. */
  readonly families: readonly Family[];
  /** Why a family of the plan is not covered. */
  readonly missing?: string;
}
