import { canonicalIp } from '../core/address.ts';
import type { GatewaySettings } from '../gateway/start.ts';
import type { Command } from './command.ts';
import { readDiscovery } from './discovery-settings.ts';
import { readRegistry } from './read-registry.ts';
import { readDataPlane, readEngine, readMaxConnections, readRun } from './settings.ts';
import type { Subcommand } from './subcommand.ts';
import type { Values } from './values.ts';

const defaultHttpPort = 80;

const usage = `nuncio gateway serves the applications and services that are registered in etcd or Consul.

Usage:
  nuncio gateway --registry etcd://HOST:2379[,…][/PREFIX] [--http-port 80] [--prefix /PREFIX]
  nuncio gateway --registry consul://HOST:8500 [--http-port 80]

  /apps/<domain>/<id>            HTTP applications, by the Host of a request; *.domain serves what has no entry of its own
  /services/<name>/<port>/<id>   TCP services, each on its own port; the values are ip:port
  In Consul's catalog: services with the tag nuncio-app or nuncio-service=<port>, as nuncio register writes them.

Each port of a service is listened on for as long as the service is registered. Where two names have one port, a caller's
link alias chooses (docker run --link CONTAINER:alias, with Docker's socket mounted here), else the first by name.

  --http-port PORT         port of the applications (default 80)
  --http-timeout TIME      how long an application may take to begin its answer (default 60s)
  --http-check TIME        time between two checks of an application's endpoint, HEAD / by HTTP (default 5s)
  --trusted-proxies IP[,…] believe the X-Forwarded-Host, -Port and -Proto of these clients
  Without --registry, etcd is found by --etcd, ETCD_HOST or the link "etcd". nuncio --help has the options that all
  commands share: --max-connections, --drain, --state-dir, --max-stale, --admin-port, --docker, --etcd-cacert, …

Example: one web server of this host, by hand
  etcdctl put /apps/blog.example.com/web-1 10.0.0.5:8080
  docker run -d -p 80:80 nuncio gateway --registry etcd://10.0.0.2:2379
  curl -H 'Host: blog.example.com' http://10.0.0.5/
`;

function read(values: Values, operands: readonly string[]): Command | undefined {
  if (operands.length > 0)
    values.shapeProblems.push('gateway: takes options only; see nuncio gateway --help');
  const settings = readGatewaySettings(values);
  if (settings === undefined) return undefined;
  return { kind: 'gateway', run: readRun(values), settings: { ...settings, engine: readEngine(values) } };
}

/** What the gateway is told, alone or as a part of the dynamic mode. */
export function readGatewaySettings(values: Values): GatewaySettings | undefined {
  const registry = readRegistry(values);
  const run = readRun(values);
  const maxConnections = readMaxConnections(values);
  const trusted = values.list('trusted-proxies', 'IP addresses between commas', canonicalIp);
  const settings = {
    httpPort: values.port('http-port') ?? defaultHttpPort,
    connectTimeoutMs: values.duration('connect-timeout', 2000),
    answerMs: atLeast(values, 'http-timeout', 60_000),
    checkMs: atLeast(values, 'http-check', 5000),
    allowLocalTargets: values.has('allow-local-targets'),
    trustedProxies: new Set(trusted),
    hasAccessLog: run.logLevel === 'debug',
    drainMs: run.drainMs,
    plane: readDataPlane(values),
    discovery: readDiscovery(values),
    ...(maxConnections === undefined ? {} : { maxConnections }),
  };
  return registry === undefined ? undefined : { ...settings, registry };
}

/** A second or more: less would be a load, or end what is only slow. */
function atLeast(values: Values, name: string, fallbackMs: number): number {
  const ms = values.duration(name, fallbackMs);
  if (ms < 1000) values.problems.push(`--${name}: expected at least 1s`);
  return ms;
}

export const gateway: Subcommand = { name: 'gateway', usage, read };
