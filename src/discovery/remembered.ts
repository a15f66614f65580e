import { describeSource, type Source, sourceKey } from '../backend/backend.ts';
import type { Logger } from '../core/log.ts';
import { ok } from '../core/result.ts';
import type { Resolver } from './resolver.ts';
import type { SnapshotStore } from './snapshot-store.ts';

/**
 * A resolver that writes down what it finds, and answers with that where its source fails before it has answered once:
 * so a restart during an outage of the registry serves what was known before.
 *
 * @param maxAgeMs what is older is not served
 */
export function remembered<S extends Source>(
  resolver: Resolver<S>,
  store: Pick<SnapshotStore, 'get' | 'set'>,
  logger: Logger,
  maxAgeMs = Number.POSITIVE_INFINITY,
): Resolver<S> {
  return {
    watch(source, onUpdate, signal) {
      const key = sourceKey(source);
      let hasAnswered = false;
      resolver.watch(
        source,
        (update) => {
          if (update.ok) store.set(key, update.value);
          const known = update.ok || hasAnswered ? undefined : store.get(key);
          hasAnswered = true;
          if (known !== undefined && Date.now() - known.savedAt <= maxAgeMs) {
            const text = describeSource(source);
            const since = new Date(known.savedAt).toISOString();
            logger.warn(`backend ${text}: served as it was known at ${since}, from the state directory`, {
              backend: text,
            });
            onUpdate(ok(known.endpoints));
          }
          onUpdate(update);
        },
        signal,
      );
    },
  };
}
