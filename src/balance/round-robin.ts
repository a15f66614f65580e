import type { Endpoint } from '../core/endpoint.ts';
import type { PickerPolicy } from './picker.ts';

const none: ReadonlySet<Endpoint> = new Set();

/**
 * Each in turn, by weight: nginx's smooth weighted round robin (ngx_http_upstream_round_robin.c): everyone gains its
 * weight, the richest is picked and pays the sum. Weights 5:1:1 give a a b a c a a, not five times a in a row.
 * Weight 0 is picked only where no other is left (RFC 2782).
 */
export const roundRobin: PickerPolicy = (endpoints) => {
  const entries = endpoints.map((candidate) => ({ candidate, credit: 0 }));

  function next(tried: ReadonlySet<Endpoint>): Endpoint | undefined {
    const left = tried.size === 0 ? entries : entries.filter(({ candidate }) => !tried.has(candidate));
    const weighted = left.filter(({ candidate }) => candidate.weight > 0);
    const pool = weighted.length > 0 ? weighted : left;
    let best: (typeof pool)[number] | undefined;
    let total = 0;
    for (const entry of pool) {
      const share = entry.candidate.weight || 1;
      entry.credit += share;
      total += share;
      if (best === undefined || entry.credit > best.credit) best = entry;
    }
    if (best === undefined) return undefined;
    best.credit -= total;
    return best.candidate;
  }

  // Ambassadors that learn of a set at the same moment must not all begin with the same endpoint.
  for (let turns = Math.floor(Math.random() * endpoints.length); turns > 0; turns--) next(none);
  return { pick: ({ tried }) => next(tried) };
};
