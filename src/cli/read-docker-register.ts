import { hostNameFault } from '../backend/scanner.ts';
import { canonicalIp, isLoopbackOrLinkLocal, isUnspecified, parsePort } from '../core/address.ts';
import type { DockerRegisterTarget } from '../registration/docker-register.ts';
import type { Command } from './command.ts';
import { readDiscovery } from './discovery-settings.ts';
import { readEtcdServers } from './etcd-servers.ts';
import { readEngine, readRun } from './settings.ts';
import type { Subcommand } from './subcommand.ts';
import { type Values, wholeName } from './values.ts';

const usage = `nuncio docker-register writes where a container's port is published into etcd, for as long as it runs.

Usage:
  nuncio docker-register CONTAINER PORT NAME [KEY=VALUE…] [--etcd HOST:PORT[,…]] [--host-ip ADDRESS]

The key /services/NAME/CONTAINER holds {"port":49155,"host":"10.132.181.182"}, and each KEY=VALUE as a field more
(weight=10 and priority=1 are read by nuncio's own ambassadors). It is on a lease of 15 s: it goes when the
container stops, when this program ends, and 15 s after this program, or its host, is gone without a word.
PORT is a TCP port of the container: 80 or 80/tcp. Where it is published on every address of the host,
--host-ip (or HOST_IP) says which one others dial. Without --etcd (or ETCD_HOST) etcd is the container that is
linked as "etcd".

Example: the web server on this host, as apache-A
  docker run -d --name apache -p 10.0.0.5::80 httpd
  docker run -d --link etcd-amb:etcd -v /var/run/docker.sock:/var/run/docker.sock nuncio docker-register apache 80 apache-A
`;

function read(values: Values, operands: readonly string[]): Command | undefined {
  const [container, portText, name, ...rest] = operands;
  if (container === undefined || portText === undefined || name === undefined) {
    values.shapeProblems.push(
      'docker-register: expected CONTAINER PORT NAME, such as: nuncio docker-register apache 80 apache-A',
    );
    return undefined;
  }
  const problem = (text: string) => values.problems.push(`docker-register: ${text}`);
  if (!/^[a-z0-9][a-z0-9_.-]*$/i.test(container)) {
    problem(`expected a container's name or id, found ${JSON.stringify(container)}`);
  }
  const port = readPort(portText, problem);
  const service = wholeName(values, 'docker-register: NAME', name);
  const fields = rest.flatMap((text) => readField(text, problem) ?? []);
  const hostIp = readHostIp(values);
  const servers = readEtcdServers(values);
  if (port === undefined || service === undefined) return undefined;
  const target: DockerRegisterTarget = { container, port, service, fields, hostIp };
  const settings = {
    target,
    engine: readEngine(values),
    etcd: { servers, settings: readDiscovery(values).etcd },
  };
  return { kind: 'docker-register', run: readRun(values), settings };
}

function readPort(text: string, problem: (text: string) => void): number | undefined {
  const [, digits = '', protocol = 'tcp'] = /^(\d+)(?:\/(\w+))?$/.exec(text) ?? [];
  const port = parsePort(digits);
  if (port === undefined)
    problem(`expected a port of the container, 80 or 80/tcp, found ${JSON.stringify(text)}`);
  else if (protocol.toLowerCase() !== 'tcp') {
    problem(`${text}: only TCP ports are registered, because ambassadors lead TCP connections`);
  }
  return port;
}

function readField(text: string, problem: (text: string) => void): [string, string][] | undefined {
  const [, key = '', value = ''] = /^([a-z_][\w.-]*)=(.*)$/is.exec(text) ?? [];
  if (key !== '' && key !== 'port' && key !== 'host') return [[key, value]];
  problem(
    key === ''
      ? `expected KEY=VALUE after the name, found ${JSON.stringify(text)}`
      : `"${key}" is read from the container and cannot be given`,
  );
  return undefined;
}

/** The address or name of this host that others dial: `--host-ip`, HOST_IP. */
export function readHostIp(values: Values): string | undefined {
  return values.read('host-ip', "this host's address as others dial it, not 0.0.0.0 or loopback", (text) => {
    const ip = canonicalIp(text);
    if (ip === undefined) return hostNameFault(text) === undefined ? text.toLowerCase() : undefined;
    return isUnspecified(ip) || isLoopbackOrLinkLocal(ip) ? undefined : ip;
  });
}

/** `docker-register CONTAINER PORT NAME [KEY=VALUE…]` */
export const dockerRegister: Subcommand = { name: 'docker-register', usage, read };
