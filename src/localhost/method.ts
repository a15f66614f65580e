import type { Lead } from './lead.ts';

/** What stands in a network namespace. */
export interface Standing extends Lead {
  /** Interfaces on which route_localnet was off before we came. */
  readonly switched: readonly string[];
}

/** A way of writing the rules down: nft, or one kind of iptables. */
export interface LeadMethod {
  readonly name: string;
  /**
   * What stands here by this method; `damaged`: something of ours that is not as we write it.
   * @throws AppError ERR_RULES where it cannot be looked for
   */
  read(): Promise<Standing | 'damaged' | undefined>;
  /** Puts exactly this in place of whatever of ours stood here by this method. @throws AppError ERR_RULES */
  install(standing: Standing): Promise<void>;
  /** Takes exactly ours away. @throws AppError ERR_RULES */
  remove(): Promise<void>;
}
