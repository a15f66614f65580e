import type { Endpoint } from '../core/endpoint.ts';

/**
 * Which endpoints of a set are left to the last resort. Never more than half of it: the others would be overrun, and
 * what looks like many broken endpoints is often one broken network. Where all are down, none is left out (the panic
 * rule): whoever dials may as well try them.
 */
export function ejectedOf(
  endpoints: readonly Endpoint[],
  isDown: (endpoint: Endpoint) => boolean,
): readonly Endpoint[] {
  const down = endpoints.filter(isDown);
  return down.length === endpoints.length ? [] : down.slice(0, Math.floor(endpoints.length / 2));
}
