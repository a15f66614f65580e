import type { Source } from '../backend/backend.ts';
import type { Discovery as Registry } from '../backend/discovery-service.ts';
import type { SocketAddress } from '../core/address.ts';
import type { Logger } from '../core/log.ts';
import type { PartStack } from '../core/part.ts';
import type { ContainerFeed } from '../docker/feed.ts';
import type { ConsulSettings } from '../registry/consul.ts';
import { EtcdConnections } from '../registry/etcd.ts';
import type { EtcdSettings } from '../registry/etcd-settings.ts';
import { ConsulKvResolver } from './consul-kv.ts';
import { ConsulServiceResolver } from './consul-service.ts';
import type { Directory } from './directory/directory.ts';
import { makeDirectory } from './directory/make.ts';
import { systemDns } from './dns/addresses.ts';
import { DockerResolver } from './docker.ts';
import { EtcdResolver } from './etcd.ts';
import { FileResolver } from './file.ts';
import { followHosts as makeFollowHosts } from './follow-hosts.ts';
import { limited } from './limited.ts';
import { remembered } from './remembered.ts';
import type { Resolver, Resolvers } from './resolver.ts';
import { settled } from './settled.ts';
import { SkippedValues } from './skipped-values.ts';
import { SnapshotStore } from './snapshot-store.ts';
import { SourceWatches } from './source-watches.ts';
import { SrvResolver } from './srv.ts';
import { StaticResolver } from './static.ts';

/** How sources are found and followed. */
export interface DiscoverySettings {
  /** Empty: the name servers of resolv.conf. */
  readonly dnsServers: readonly SocketAddress[];
  /** Where the last good sets are kept for the next start; absent: nowhere. */
  readonly stateDirectory?: string;
  /** How long a set may stay without its source answering, ms; absent: for ever. */
  readonly maxStaleMs?: number;
  /** Folders whose files descriptors may name; `/` permits all. */
  readonly fileRoots: readonly string[];
  readonly etcd: EtcdSettings;
  readonly consul: ConsulSettings;
}

export interface DiscoveryParts {
  readonly logger: Logger;
  readonly parts: PartStack;
  /** Absent: `docker://` has no resolver. */
  readonly feed?: ContainerFeed | undefined;
  /** The container that the ambassador runs in. */
  readonly selfId?: string | undefined;
  /** Where applications and services are registered; absent: nobody asks. */
  readonly registry?: Registry | undefined;
  /** Of the directory in etcd; absent: its default. */
  readonly lostMs?: number | undefined;
  /** Leaves the state directory as it is, for whoever looks beside a running ambassador. */
  readonly isReadOnly?: boolean;
}

export interface Discovery {
  readonly sources: SourceWatches;
  /** What earlier runs have known; absent without a state directory. */
  readonly store: SnapshotStore | undefined;
  /** Present where a registry was named. */
  readonly directory?: Directory;
}

/**
 * Every resolver of this build behind shared watches.
 *
 * @throws AppError ERR_CANNOT_START where the state directory cannot be used
 */
export async function startDiscovery(
  settings: DiscoverySettings,
  options: DiscoveryParts,
): Promise<Discovery> {
  const { logger, parts, feed, selfId, registry, lostMs, isReadOnly = false } = options;
  const { stateDirectory } = settings;
  const store =
    stateDirectory === undefined
      ? undefined
      : await parts.begin(new SnapshotStore({ directory: stateDirectory, logger, isReadOnly }));
  const { addresses, client } = systemDns({ servers: settings.dnsServers });
  const followHosts = makeFollowHosts({ addresses, logger });
  const connections = new EtcdConnections({ settings: settings.etcd, logger });
  const common = { followHosts, skipped: new SkippedValues(logger), logger };
  const directory =
    registry === undefined
      ? undefined
      : makeDirectory(registry, {
          ...{ ...common, connections, settings: settings.consul },
          ...(lostMs === undefined ? {} : { lostMs }),
        });
  const ownEtcd = directory?.resolvers.etcd ?? new EtcdResolver({ ...common, connections });
  const lasting = outlivingOutages(settings, store, logger);
  const resolvers: Resolvers = {
    static: lasting(new StaticResolver({ addresses, logger })),
    srv: lasting(new SrvResolver({ ...common, client })),
    etcd: lasting(settled(ownEtcd)),
    consul: lasting(settled(new ConsulKvResolver({ ...common, settings: settings.consul }))),
    'consul-service': lasting(settled(new ConsulServiceResolver({ ...common, settings: settings.consul }))),
    file: settled(new FileResolver({ ...common, allowedRoots: settings.fileRoots })),
    ...(feed === undefined ? {} : { docker: new DockerResolver({ feed, logger, selfId }) }),
  };
  const sources = new SourceWatches({ resolvers, logger });
  parts.defer(() => sources.stop());
  return { sources, store, ...(directory === undefined ? {} : { directory }) };
}

/** What a resolver whose source is elsewhere gets: a memory, and a limit to it. */
function outlivingOutages(settings: DiscoverySettings, store: SnapshotStore | undefined, logger: Logger) {
  const { maxStaleMs } = settings;
  return <S extends Source>(resolver: Resolver<S>): Resolver<S> => {
    const kept = store === undefined ? resolver : remembered(resolver, store, logger, maxStaleMs);
    return maxStaleMs === undefined ? kept : limited(kept, maxStaleMs, logger);
  };
}
