import type { Result } from '../core/result.ts';
import type { Backend, HostPort } from './backend.ts';
import { consulPort, etcdPort, scanned } from './parse.ts';

/** Where embassy's services are found: `--discovery etcd://h1:p1,h2:p2[/prefix]` or `consul://h:p`. */
export type Discovery =
  | { readonly kind: 'etcd'; readonly servers: readonly HostPort[]; readonly prefix: string }
  | {
      readonly kind: 'consul';
      readonly server: HostPort;
      /** Only instances of the catalog whose checks pass: embassy's -filter. */
      readonly passing: boolean;
    };

/**
 * Parses the value of `--discovery`.
 *
 * @returns ERR_DESCRIPTOR_SYNTAX with the 1-based column and what was expected there
 */
export function parseDiscovery(text: string): Result<Discovery> {
  return scanned(text, (scanner) => {
    if (scanner.accept('etcd://')) {
      const servers = scanner.list(() => scanner.hostPort(etcdPort));
      const prefix = scanner.until('?').replace(/\/+$/, '');
      scanner.expectEnd('a path or the end');
      return { kind: 'etcd', servers, prefix };
    }
    scanner.expect('consul://', 'etcd://HOST:PORT or consul://HOST:PORT');
    const server = scanner.hostPort(consulPort);
    scanner.accept('/');
    scanner.expectEnd('the end after the server');
    return { kind: 'consul', server, passing: true };
  });
}

/**
 * The backend that embassy's `service[tag,tag]` means there: in etcd everything below the path, in Consul the service of the
 * catalog, or below the path where the name is one (`/services/prod/db`).
 */
export function serviceBackend(discovery: Discovery, service: string, tags: readonly string[]): Backend {
  const isPath = service.startsWith('/');
  if (discovery.kind === 'etcd') {
    const path = isPath ? service : `${discovery.prefix}/${service}`;
    return { source: { kind: 'etcd', servers: discovery.servers, path, tags }, options: {} };
  }
  const { server, passing } = discovery;
  if (isPath) return { source: { kind: 'consul', server, path: service, tags }, options: {} };
  return { source: { kind: 'consul-service', server, name: service, tags, passing }, options: {} };
}
