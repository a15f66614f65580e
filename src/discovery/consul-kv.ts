import type { SourceOf } from '../backend/backend.ts';
import type { KeyValue } from '../registry/consul.ts';
import { type ConsulResolverDeps, watchConsul } from './consul-watch.ts';
import type { OnUpdate, Resolver } from './resolver.ts';
import { readValues, type StoredValue } from './values.ts';

/**
 * `consul://host:port/path`: the value at a path of Consul's key-value store, or of everything below `path/`; what such
 * values may look like says values.ts.
 */
export class ConsulKvResolver implements Resolver<SourceOf<'consul'>> {
  readonly #deps: ConsulResolverDeps;

  constructor(deps: ConsulResolverDeps) {
    this.#deps = deps;
  }

  watch(source: SourceOf<'consul'>, onUpdate: OnUpdate, signal: AbortSignal): void {
    // Consul's keys do not begin with a slash.
    const path = source.path.replace(/^\//, '');
    watchConsul(
      source,
      {
        ask: (client, query, ending) => client.tree(path, query, ending),
        read: (pairs) =>
          readValues(
            pairs.map((pair) => below(path, pair)),
            source,
          ),
      },
      this.#deps,
      onUpdate,
      signal,
    );
  }
}

/** `path/` itself, a folder unless somebody gave it a value, is a child by the name of "/". */
function below(path: string, { key, value }: KeyValue): StoredValue {
  if (key === path) return { key: '', value };
  return { key: key.slice(path.length + 1) || '/', value };
}
