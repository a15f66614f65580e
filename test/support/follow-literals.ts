import { canonicalSet, type Endpoint, endpoint, sameSet } from '../../src/core/endpoint.ts';
import { ok } from '../../src/core/result.ts';
import type { FollowHosts } from '../../src/discovery/named-endpoint.ts';

/** Takes every host for an IP address; tells as the contract says: asynchronously, and changes only. */
export const followLiterals: FollowHosts = (onUpdate, signal) => {
  let told: readonly Endpoint[] | undefined;
  return (list) =>
    queueMicrotask(() => {
      const set = canonicalSet(list.map(({ host, port, ...rest }) => endpoint(host, port, rest)));
      if (signal.aborted || (told !== undefined && sameSet(told, set))) return;
      told = set;
      onUpdate(ok(set));
    });
};
