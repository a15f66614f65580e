import { formatHostPort, type SocketAddress } from './address.ts';

/** One place that a backend's connections may go to. */
export interface Endpoint extends SocketAddress {
  /** What its source calls it: a host name, a container's name, a registry key's last segment. */
  readonly name: string;
  /** Share of the connections within its priority, 0..65535; 0 is chosen only where no other is left (RFC 2782). */
  readonly weight: number;
  /** Lower is tried first (RFC 2782). */
  readonly priority: number;
  readonly tags: readonly string[];
}

/** An endpoint with what most sources do not say filled in: weight 1, priority 0, no tags. */
export function endpoint(
  ip: string,
  port: number,
  rest: Partial<Omit<Endpoint, 'ip' | 'port'>> = {},
): Endpoint {
  return {
    ip,
    port,
    name: rest.name ?? ip,
    weight: rest.weight ?? 1,
    priority: rest.priority ?? 0,
    tags: rest.tags ?? [],
  };
}

/** The text that tells endpoints of one set apart: `10.0.0.1:6379`. */
export function endpointKey(address: SocketAddress): string {
  return formatHostPort(address.ip, address.port);
}

/**
 * A set in its canonical form: each address once (the first one wins), by priority, and within one priority in the order
 * of the source. A source without an order of its own sorts first, so that a shuffled answer is no change.
 */
export function canonicalSet(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const byKey = new Map<string, Endpoint>();
  for (const candidate of endpoints) {
    const key = endpointKey(candidate);
    if (!byKey.has(key)) byKey.set(key, candidate);
  }
  return [...byKey.values()].sort((a, b) => a.priority - b.priority);
}

/** Whether two sets in canonical form are the same in everything that a reader sees. */
export function sameSet(a: readonly Endpoint[], b: readonly Endpoint[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
