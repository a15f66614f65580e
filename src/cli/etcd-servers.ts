import type { HostPort } from '../backend/backend.ts';
import { parseDescriptor } from '../backend/parse.ts';
import { hostNameFault } from '../backend/scanner.ts';
import { canonicalIp, parsePort } from '../core/address.ts';
import type { Environment, Values } from './values.ts';

/** Where a link to etcd is, best first: an ambassador's port, etcd's own, its first one. */
const linkPorts = ['10000', '2379', '4001'];

/**
 * The servers of etcd: `--etcd` or ETCD_HOST, else what `docker run --link …:etcd` has left in the environment.
 *
 * @returns empty where there are none; `values` has what is wrong
 */
export function readEtcdServers(values: Values): readonly HostPort[] {
  const text = values.text('etcd');
  if (text === undefined) {
    const linked = linkedServers(values.env);
    if (linked.length === 0) {
      values.shapeProblems.push(
        'which etcd? give --etcd HOST:PORT, or link it: docker run --link CONTAINER:etcd (user-defined networks have no link environment)',
      );
    }
    return linked;
  }
  const list = text.value.replace(/^(etcd|https?):\/\//, '').replace(/\/$/, '');
  const parsed = parseDescriptor(`etcd://${list}/-`);
  if (parsed.ok && parsed.value.source.kind === 'etcd' && !/[/?]/.test(list))
    return parsed.value.source.servers;
  values.problems.push(
    `${text.where}: expected HOST:PORT between commas, found ${JSON.stringify(text.value)}`,
  );
  return [];
}

/**
 * The address that the link has told, and its alias: Docker keeps the alias in /etc/hosts up to date when the linked
 * container comes back with another address, and the variables as they were.
 */
function linkedServers(env: Environment): HostPort[] {
  const exposed = Object.keys(env).flatMap((name) => /^ETCD_PORT_(\d+)_TCP_ADDR$/.exec(name)?.[1] ?? []);
  const name = [...linkPorts, ...exposed].find((one) => exposed.includes(one));
  if (name === undefined) return [];
  const ip = canonicalIp(env[`ETCD_PORT_${name}_TCP_ADDR`] ?? '');
  const port = parsePort(env[`ETCD_PORT_${name}_TCP_PORT`] ?? name);
  if (ip === undefined || port === undefined) return [];
  const alias = env.ETCD_NAME?.split('/').at(-1)?.toLowerCase() ?? '';
  const hosts = alias !== '' && hostNameFault(alias) === undefined ? [ip, alias] : [ip];
  return hosts.map((host) => ({ host, port }));
}
