import { EtcdResolver, type EtcdResolverDeps } from '../../../src/discovery/etcd.ts';
import { SkippedValues } from '../../../src/discovery/skipped-values.ts';
import { EtcdConnections } from '../../../src/registry/etcd.ts';
import type { EtcdSettings } from '../../../src/registry/etcd-settings.ts';
import { followLiterals } from '../../support/follow-literals.ts';
import { RecordingLogger } from '../../support/recording-logger.ts';
import { Updates } from '../../support/updates.ts';
import type { EtcdServer } from './etcd-server.ts';

export interface WatchingOptions {
  readonly settings?: EtcdSettings;
  readonly tags?: readonly string[];
  /** Puts itself between the resolver and its connections. */
  readonly between?: (connections: EtcdConnections) => EtcdResolverDeps['connections'];
}

/**
 * A resolver with connections of its own, and what it tells; the first server of the list is the first that it tries.
 *
 *     using on = watching([server]);
 *     const updates = on.watch('/services/web');
 */
export function watching(servers: readonly EtcdServer[], options: WatchingOptions = {}) {
  const { settings = {}, tags = [], between = (connections) => connections } = options;
  const end = new AbortController();
  const logger = new RecordingLogger();
  const skipped = new SkippedValues(logger);
  const connections = new EtcdConnections({ settings, logger, random: () => 0 });
  const deps = { connections: between(connections), followHosts: followLiterals, skipped, logger };
  const resolver = new EtcdResolver(deps);
  const addresses = servers.map(({ host, port }) => ({ host, port }));
  return {
    logger,
    connections,
    skipped,
    watch(path: string): Updates {
      const updates = new Updates();
      resolver.watch({ kind: 'etcd', servers: addresses, path, tags }, updates.onUpdate, end.signal);
      return updates;
    },
    [Symbol.dispose]: () => end.abort(),
  };
}

/** The next set that is told, whatever failures or other sets come before it. The test's own time limit bounds the wait. */
export async function nextSet(updates: Updates, wanted: string): Promise<void> {
  while ((await updates.text()) !== wanted);
}
