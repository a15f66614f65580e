import type { OnUpdate } from './resolver.ts';

/** An endpoint as a registry, a file or an SRV record names it: its host may still be a DNS name. */
export interface NamedEndpoint {
  /** A DNS name in lower case, or a canonical IP address. */
  readonly host: string;
  readonly port: number;
  /** What its source calls it. */
  readonly name: string;
  /** 0..65535 */
  readonly weight: number;
  /** Lower is tried first. */
  readonly priority: number;
  readonly tags: readonly string[];
}

/**
 * Turns lists of named endpoints into sets with addresses: IP addresses stand for themselves, names are looked up and
 * looked up again by their TTL for as long as they are in the list.
 *
 * @param onUpdate told as a resolver tells it: never synchronously, never after abort, only when the set has changed
 * @returns        takes the list as it is now; call it for each change. An empty list is an authoritative empty set.
 */
export type FollowHosts = (
  onUpdate: OnUpdate,
  signal: AbortSignal,
) => (list: readonly NamedEndpoint[]) => void;
