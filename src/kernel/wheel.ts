import { roundRobin } from '../balance/round-robin.ts';
import type { Endpoint } from '../core/endpoint.ts';
import { maxTurns } from './layout.ts';

/**
 * The order in which endpoints have their turns, by weight: what a program in the kernel walks round, or draws from.
 * It is the proxy's own order (balance/round-robin.ts) written down for one round, begun at a random place as there.
 *
 * @param endpoints at most `maxTurns`, not none
 * @returns places in `endpoints`, at most `maxTurns`; weights whose shares need more are rounded, none of them to nothing
 */
export function wheelOf(endpoints: readonly Endpoint[]): readonly number[] {
  const shares = sharesOf(endpoints.map(({ weight }) => weight));
  const weighted = endpoints.map((candidate, index) => ({ ...candidate, weight: shares[index] ?? 0 }));
  const picker = roundRobin(weighted);
  const turns = shares.reduce((sum, share) => sum + share, 0) || endpoints.length;
  const context = { tried: new Set<Endpoint>(), active: () => 0 };
  return Array.from({ length: turns }, () => {
    const picked = picker.pick(context);
    return picked === undefined ? 0 : weighted.indexOf(picked);
  });
}

/** Weights in lowest terms, and with a sum of no more than the wheel has turns. */
function sharesOf(weights: readonly number[]): number[] {
  const divisor = weights.reduce(commonDivisor, 0) || 1;
  const exact = weights.map((weight) => weight / divisor);
  const sum = exact.reduce((total, share) => total + share, 0);
  if (sum <= maxTurns) return exact;
  const shares = exact.map((share) => (share === 0 ? 0 : Math.max(1, Math.round((share * maxTurns) / sum))));
  for (let excess = shares.reduce((total, share) => total + share, 0) - maxTurns; excess > 0; excess--) {
    const largest = shares.indexOf(Math.max(...shares));
    shares[largest] = (shares[largest] ?? 0) - 1;
  }
  return shares;
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}
