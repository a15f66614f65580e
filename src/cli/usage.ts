import { type Flag, flagGroups } from './flags.ts';
import { subcommands } from './subcommands.ts';

const head = `nuncio leads the connections of containers to their backends.

Usage:
  nuncio --omnimode [options]       one ambassador for every container of this host
  nuncio BACKEND [options]          forward one port to one backend
  nuncio --links [NAME:PORT,…]      forward each port of the linked containers
  nuncio dynamic --registry URL --host-ip IP
                                    register and gateway in one: dynamic-ambassador's work
  nuncio gateway --registry URL     HTTP applications by domain and TCP services, as etcd or Consul has them
  nuncio resolve BACKEND [--watch]  what a backend comes to from here: endpoints, health, weight, age
  nuncio simple-amb, docker-register, dynamic-etcd-amb
                                    the trio of the CoreOS tutorial; --help after each tells more
  nuncio register                   write the applications and services of this host into etcd or Consul
  nuncio --setup-iptables           set the rules for an ambassador that may not do it itself
  nuncio --cleanup-iptables         remove them
`;

const tail = `
A BACKEND is also the value of a container's BACKEND_<port> variable:
  redis-1:6379,redis-2:6379         these endpoints, in turn; names are asked for again by their TTL
  docker://web                      running containers by name, Compose service or label nuncio.service
  docker://web:8080                 the same, on this port
  redis.service.consul              a name without a port: SRV records, by priority and weight
  etcd://H1:2379,H2:2379/path       the value at the path, or all values below it
  consul://HOST:8500/path           the same in Consul's KV
  consul-service://HOST:8500/name   the healthy instances of Consul's catalog; ?tag=a,b &dc=eu &passing=false
  file:///etc/nuncio/redis          one endpoint a line, or JSON
  …?balance=leastconn&connect-timeout=500ms
                                    options: balance=roundrobin|leastconn|random|first, connect-timeout=TIME,
                                    check=TIME, send-proxy=v1|v2

Example: one ambassador, one caller
  docker run -d --name backends -v /var/run/docker.sock:/var/run/docker.sock --cap-add NET_ADMIN nuncio --omnimode
  docker run --link backends -e BACKEND_6379=10.0.0.5:6379,10.0.0.6:6379 redis redis-cli -h backends ping

TIME is a number with ms, s, m or h. Exit codes: 0 stopped as asked, 1 it cannot run, 2 wrong usage.
Registries are spoken to with ETCD_USERNAME, ETCD_PASSWORD and the CONSUL_HTTP_* variables of Consul's own tools.
The command lines of ambassadord, connectable and embassy (-provider=docker -discovery=…) work as they stand.
`;

const column = 30;
const width = 100;

function wrapped(text: string): string {
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? '';
    if (line.length + word.length + 1 > width - column) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines.join(`\n${' '.repeat(column)}`);
}

function line(flag: Flag): string {
  const short = flag.alias === undefined ? '' : `-${flag.alias}, `;
  const left = `  ${short}--${flag.name}${flag.value === undefined ? '' : ` ${flag.value}`}`;
  const right = flag.env === undefined ? flag.help : `${flag.help} [${flag.env}]`;
  const gap = left.length < column - 1 ? ' '.repeat(column - left.length) : `\n${' '.repeat(column)}`;
  return `${left}${gap}${wrapped(right)}\n`;
}

/** The text of `--help`. @param of the subcommand that is asked about */
export function usage(of?: string): string {
  const own = subcommands.get(of);
  if (own !== undefined) return own.usage;
  const options = flagGroups.map((group) => `\n${group.title}:\n${group.flags.map(line).join('')}`);
  return `${head}${options.join('')}${tail}`;
}
