import type { SourceOf } from '../backend/backend.ts';
import { type FollowHostsDeps, followHosts } from './follow-hosts.ts';
import type { FollowHosts } from './named-endpoint.ts';
import type { OnUpdate, Resolver } from './resolver.ts';

export type StaticResolverDeps = FollowHostsDeps;

/**
 * A list in the descriptor itself: `redis-1:6379,10.0.0.5:6379`. An IP address stands for itself; a name for all its
 * addresses, as `follow-hosts.ts` finds them. The set keeps the order of the list.
 */
export class StaticResolver implements Resolver<SourceOf<'static'>> {
  readonly #followHosts: FollowHosts;

  constructor(deps: StaticResolverDeps) {
    this.#followHosts = followHosts(deps);
  }

  watch(source: SourceOf<'static'>, onUpdate: OnUpdate, signal: AbortSignal): void {
    if (signal.aborted) return;
    const setList = this.#followHosts(onUpdate, signal);
    setList(
      source.endpoints.map(({ host, port }) => ({
        host,
        port,
        name: host,
        weight: 1,
        priority: 0,
        tags: [],
      })),
    );
  }
}
