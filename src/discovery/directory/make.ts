import type { Discovery as Registry } from '../../backend/discovery-service.ts';
import type { ConsulSettings } from '../../registry/consul.ts';
import { ConsulDirectory } from './consul-directory.ts';
import type { Directory } from './directory.ts';
import { EtcdDirectory, type EtcdDirectoryOptions } from './etcd-directory.ts';

/** The directory of a registry: `--registry etcd://…` or `consul://…`. */
export function makeDirectory(
  registry: Registry,
  deps: Omit<EtcdDirectoryOptions, 'servers' | 'prefix'> & { readonly settings: ConsulSettings },
): Directory {
  return registry.kind === 'etcd'
    ? new EtcdDirectory({ ...deps, servers: registry.servers, prefix: registry.prefix })
    : new ConsulDirectory({ ...deps, server: registry.server });
}
