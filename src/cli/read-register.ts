import type { Discovery as Registry } from '../backend/discovery-service.ts';
import type { RegistrationSettings } from '../registration/start.ts';
import type { Command } from './command.ts';
import { readDiscovery } from './discovery-settings.ts';
import { readHostIp } from './read-docker-register.ts';
import { readRegistry } from './read-registry.ts';
import { readEngine, readRun } from './settings.ts';
import type { Subcommand } from './subcommand.ts';
import type { Values } from './values.ts';

const usage = `nuncio register writes the applications and services of this host into etcd or Consul, for as long as they run.

Usage:
  nuncio register --registry etcd://HOST:2379[,…][/PREFIX] --host-ip ADDRESS [--prefix /PREFIX]
  nuncio register --registry consul://HOST:8500 --host-ip ADDRESS

A container says by its environment what it is, and must publish a TCP port:
  DOMAIN_NAME=blog.example.com,*.example.com   HTTP applications: /apps/<domain>/<id>, the value is ADDRESS:port
  SERVICE_PORT=3306                            a TCP service: /services/<container's name>/3306/<id>
The published port that belongs to the container's port of that number comes first, else the first published TCP
port; DOMAIN_NAME=blog.example.com:8080 names one. In etcd the keys are on a lease of 15 s. In Consul they are services
with a TCP check, or the HTTP check of the container's SERVICE_CHECK_HTTP=/path.

ADDRESS is this host as others dial it (or HOST_IP). Without --registry, etcd is found by --etcd, ETCD_HOST or the link "etcd".

Example: what runs on the host 10.0.0.5
  docker run -d -v /var/run/docker.sock:/var/run/docker.sock nuncio register --registry etcd://10.0.0.2:2379 --host-ip 10.0.0.5
  docker run -d -e DOMAIN_NAME=blog.example.com -P wordpress
`;

function read(values: Values, operands: readonly string[]): Command | undefined {
  if (operands.length > 0)
    values.shapeProblems.push('register: takes options only; see nuncio register --help');
  const settings = readRegistrationSettings(values, readRegistry(values));
  if (settings === undefined) return undefined;
  return { kind: 'register', run: readRun(values), settings: { ...settings, engine: readEngine(values) } };
}

/**
 * What the registration is told, alone or as a part of the dynamic mode; `values` has what is wrong.
 *
 * @param registry undefined where that is among it
 */
export function readRegistrationSettings(
  values: Values,
  registry: Registry | undefined,
): RegistrationSettings | undefined {
  const hostIp = readHostIp(values);
  const { etcd, consul } = readDiscovery(values);
  if (hostIp === undefined && values.text('host-ip') === undefined) {
    values.shapeProblems.push('which address of this host do others dial? give --host-ip or HOST_IP');
  }
  if (registry === undefined || hostIp === undefined) return undefined;
  return { registry, hostIp, etcd, consul };
}

export const register: Subcommand = { name: 'register', usage, read };
