/**
 * Callers: the containers that may open connections, with the backends that their environment and labels name.
 */
import type { Backend } from '../backend/backend.ts';
import type { Result } from '../core/result.ts';

export interface Caller {
  /** The container's id. */
  readonly id: string;
  readonly name: string;
  /** Of the container's first process, in the engine's process namespace. */
  readonly pid?: number | undefined;
  /** Every address of every network, canonical. */
  readonly addresses: readonly string[];
  /** By the port that the caller dials; a descriptor that does not parse is that port's error and nobody else's. */
  readonly routes: ReadonlyMap<number, Result<Backend>>;
}

export type CallerChange =
  | { readonly kind: 'caller'; readonly caller: Caller }
  | { readonly kind: 'caller-gone'; readonly id: string };

/** Makes the table know the caller behind an address that it does not know yet. */
export interface CallerLookup {
  /**
   * Waits until the address is known or the time for it (1 s) is over; look-ups share one reading of the engine's list.
   * @returns whether the address is known now. Never throws.
   */
  resolve(ip: string): Promise<boolean>;
}
