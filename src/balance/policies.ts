import type { BalancePolicy } from '../backend/backend.ts';
import type { Endpoint } from '../core/endpoint.ts';
import { first } from './first.ts';
import { leastConnections } from './least-connections.ts';
import type { Picker, PickerPolicy } from './picker.ts';
import { random } from './random.ts';
import { roundRobin } from './round-robin.ts';

const policies: Readonly<Record<BalancePolicy, PickerPolicy>> = {
  roundrobin: roundRobin,
  leastconn: leastConnections,
  random,
  first,
};

/**
 * A picker for a whole set. Priorities are tiers (RFC 2782): the lowest takes every connection; the next is for
 * connections that have tried all of it. Each tier is a picker of its own, made by the policy.
 */
export function makePicker(policy: BalancePolicy, endpoints: readonly Endpoint[]): Picker {
  const tiers = [...Map.groupBy(endpoints, (candidate) => candidate.priority)]
    .sort(([a], [b]) => a - b)
    .map(([, members]) => policies[policy](members));
  return {
    pick(context) {
      for (const tier of tiers) {
        const picked = tier.pick(context);
        if (picked !== undefined) return picked;
      }
      return undefined;
    },
  };
}
