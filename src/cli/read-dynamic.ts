import type { Command } from './command.ts';
import { readAdmin } from './read-admin.ts';
import { readGatewaySettings } from './read-gateway.ts';
import { readRegistrationSettings } from './read-register.ts';
import { readEngine, readRun } from './settings.ts';
import type { Subcommand } from './subcommand.ts';
import type { Environment, Values } from './values.ts';

const defaultAdminPort = 8080;

const usage = `nuncio dynamic registers the applications and services of this host, and serves those of all hosts.

Usage:
  nuncio dynamic --registry etcd://HOST:2379[,…][/PREFIX] --host-ip IP [--http-port 80] [--admin-port 8080]
  nuncio dynamic --registry consul://HOST:8500 --host-ip IP …
  nuncio                            the same, with ETCD_HOST=HOST:PORT and HOST_IP=IP in the environment

It is nuncio register and nuncio gateway in one; the --help of each tells what is registered and how it is served.
The status page listens on --admin-port, on loopback only unless STATS_PASSWORD or --admin-password-file sets a password.

Example: one host of many
  docker run -d --name dynamic-ambassador -p 80:80 -v /var/run/docker.sock:/var/run/docker.sock nuncio dynamic --registry etcd://10.0.0.2:2379 --host-ip 10.0.0.5
  docker run -d -P -e DOMAIN_NAME=blog.example.com --link dynamic-ambassador:mysql wordpress
  docker run -d -P -e SERVICE_PORT=3306 --name some-mysql mysql
`;

function read(values: Values, operands: readonly string[]): Command | undefined {
  if (operands.length > 0)
    values.shapeProblems.push('dynamic: takes options only; see nuncio dynamic --help');
  const gateway = readGatewaySettings(values);
  const registration = readRegistrationSettings(values, gateway?.registry);
  if (gateway === undefined || registration === undefined) return undefined;
  const run = { ...readRun(values), ...readAdmin(values, defaultAdminPort) };
  const { httpPort } = gateway;
  return { kind: 'dynamic', run, settings: { httpPort, gateway, registration, engine: readEngine(values) } };
}

/**
 * Whether this is how dynamic-ambassador's image was run: without arguments, with ETCD_HOST and HOST_IP.
 */
export function isDynamic(argc: number, env: Environment): boolean {
  return argc === 0 && Boolean(env.ETCD_HOST) && Boolean(env.HOST_IP);
}

export const dynamic: Subcommand = { name: 'dynamic', usage, read };
