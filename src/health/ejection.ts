import type { Endpoint } from '../core/endpoint.ts';

/**
 * Which endpoints of a set are left to the last resort. Never more than half of it: the others would be overrun, and
 * what looks like many broken endpoints is often one broken network. Where all are down, none is left out (the panic
 * rule): whoever dials may as well try them.
 *
 * @param isCertain each has been asked whether it serves: then all that do not are left out, as there is nothing to guess
 */
export function ejectedOf(
  endpoints: readonly Endpoint[],
  isDown: (endpoint: Endpoint) => boolean,
  isCertain = false,
): readonly Endpoint[] {
  const down = endpoints.filter(isDown);
  if (down.length === endpoints.length) return [];
  return isCertain ? down : down.slice(0, Math.floor(endpoints.length / 2));
}
