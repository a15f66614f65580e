import type { SourceOf } from '../backend/backend.ts';
import { readInstances } from './consul-instances.ts';
import { type ConsulResolverDeps, watchConsul } from './consul-watch.ts';
import type { OnUpdate, Resolver } from './resolver.ts';

/** `consul-service://host:port/name`: the healthy instances of a service in Consul's catalog. */
export class ConsulServiceResolver implements Resolver<SourceOf<'consul-service'>> {
  readonly #deps: ConsulResolverDeps;

  constructor(deps: ConsulResolverDeps) {
    this.#deps = deps;
  }

  watch(source: SourceOf<'consul-service'>, onUpdate: OnUpdate, signal: AbortSignal): void {
    const { name, datacenter } = source;
    watchConsul(
      source,
      {
        ask: (client, query, ending) => client.instances(name, datacenter, query, ending),
        read: (entries) => readInstances(entries, source),
      },
      this.#deps,
      onUpdate,
      signal,
    );
  }
}
