import type { PickerPolicy } from './picker.ts';

/**
 * The one with the fewest connections for its weight. Equals are served in turn, so that an idle set is not a queue
 * in front of its first member. Weight 0 is picked only where no other is left (RFC 2782).
 */
export const leastConnections: PickerPolicy = (endpoints) => {
  let turn = Math.floor(Math.random() * endpoints.length);
  return {
    pick({ tried, active }) {
      const left = endpoints.filter((candidate) => !tried.has(candidate));
      const weighted = left.filter((candidate) => candidate.weight > 0);
      const pool = weighted.length > 0 ? weighted : left;
      const load = pool.map((candidate) => active(candidate) / (candidate.weight || 1));
      const lowest = Math.min(...load);
      const idlest = pool.filter((_, index) => load[index] === lowest);
      return idlest[turn++ % idlest.length];
    },
  };
};
