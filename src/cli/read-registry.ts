import { parseDiscovery, type Discovery as Registry } from '../backend/discovery-service.ts';
import { readEtcdServers } from './etcd-servers.ts';
import type { Values } from './values.ts';

/**
 * Where applications and services are registered: `--registry`, else etcd as `--etcd`, ETCD_HOST or a link says. A
 * `--prefix` is one folder more.
 *
 * @returns undefined where there is none; `values` has what is wrong
 */
export function readRegistry(values: Values): Registry | undefined {
  const registry = readUrl(values);
  const prefix = values.read('prefix', 'a path such as /cluster', (text) => {
    const path = text.replace(/\/+$/, '');
    return /^(\/[^/\s]+)*$/.test(path) ? path : undefined;
  });
  if (registry === undefined || prefix === undefined) return registry;
  if (registry.kind === 'etcd') return { ...registry, prefix: `${registry.prefix}${prefix}` };
  if (prefix !== '') values.problems.push('--prefix: belongs to etcd; the catalog of Consul has no folders');
  return registry;
}

function readUrl(values: Values): Registry | undefined {
  const text = values.text('registry');
  if (text !== undefined) {
    const parsed = parseDiscovery(text.value);
    if (parsed.ok) return parsed.value;
    values.problems.push(`${text.where}, ${parsed.error.message}`);
    return undefined;
  }
  const servers = readEtcdServers(values);
  return servers.length === 0 ? undefined : { kind: 'etcd', servers, prefix: '' };
}
