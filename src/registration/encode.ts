import { consulName, registrationKey } from '../backend/registration-keys.ts';
import { formatHostPort } from '../core/address.ts';
import type { AgentCheck } from '../registry/consul-agent.ts';
import type { ConsulEntry } from './consul-keeper.ts';
import type { Registration } from './container-entries.ts';

/**
 * As keys of etcd: `/apps/<domain>/<id>`, `/services/<name>/<port>/<id>`, the value `host:port`.
 *
 * @param prefix the root; empty, or with a slash at its beginning and none at its end
 */
export function etcdEntries(
  registrations: readonly Registration[],
  prefix: string,
): ReadonlyMap<string, string> {
  return new Map(
    registrations.map(({ registered, id, address }) => [
      registrationKey(prefix, registered, id),
      formatHostPort(address.host, address.port),
    ]),
  );
}

/**
 * As services of a Consul agent, by id: `nuncio:<host>:<container>:<name>:<tag>`, so that hosts which share an agent do
 * not meet.
 */
export function consulEntries(
  registrations: readonly Registration[],
  host: string,
): ReadonlyMap<string, ConsulEntry> {
  return new Map(
    registrations.map((registration): [string, ConsulEntry] => {
      const { registered, id, address } = registration;
      const { name, tag } = consulName(registered);
      const service = { name, tags: [tag], address: address.host, port: address.port };
      return [`nuncio:${host}:${id}:${name}:${tag}`, { service, check: checkOf(registration) }];
    }),
  );
}

/**
 * A connection every 5 s, or an HTTP request where the container names a path. It begins as passing: the container runs, and
 * an agent that has lost its services and is told them again shall not take them out of service until the first check.
 * What a host has left that is gone is removed after 10 min.
 */
function checkOf({ registered, address, checkPath }: Registration): AgentCheck {
  const times = { interval: '5s', timeout: '2s', deregistercriticalserviceafter: '10m' };
  const place = formatHostPort(address.host, address.port);
  if (checkPath === undefined) return { ...times, status: 'passing', tcp: place };
  const header = registered.kind === 'application' ? { Host: [hostOf(registered.domain)] } : {};
  return { ...times, status: 'passing', http: `http://${place}${checkPath}`, header };
}

/** A wildcard's without its `*.`. */
function hostOf(domain: string): string {
  return domain.startsWith('*.') ? domain.slice(2) : domain;
}
