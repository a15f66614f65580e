import type { Backend } from '../backend/backend.ts';
import { parsePort } from '../core/address.ts';
import type { Command } from './command.ts';
import { readEtcdServers } from './etcd-servers.ts';
import { forward } from './read-forward.ts';
import type { Subcommand } from './subcommand.ts';
import { type Values, wholeName } from './values.ts';

const usage = `nuncio dynamic-etcd-amb leads a port to whatever is registered in etcd under a name.

Usage:
  nuncio dynamic-etcd-amb NAME PORT [--etcd HOST:PORT[,…]]

It listens on PORT, and follows every key below /services/NAME/: what docker-register writes, or any other
value that is an endpoint. Without --etcd (or ETCD_HOST) etcd is the container that is linked as "etcd".

Example: port 80 of this host leads to apache-A
  docker run -d --name apache-amb --link etcd-amb:etcd -p 80:80 nuncio dynamic-etcd-amb apache-A 80
`;

function read(values: Values, operands: readonly string[]): Command | undefined {
  const [name, portText, ...more] = operands;
  if (name === undefined || portText === undefined || more.length > 0) {
    values.shapeProblems.push(
      'dynamic-etcd-amb: expected NAME PORT, such as: nuncio dynamic-etcd-amb apache-A 80',
    );
    return undefined;
  }
  const port = parsePort(portText);
  if (port === undefined) {
    values.problems.push(
      `dynamic-etcd-amb: expected a port (1 to 65535) after the name, found ${JSON.stringify(portText)}`,
    );
  }
  if (values.isGiven('port')) values.problems.push('--port: the port is the second word here');
  const service = wholeName(values, 'dynamic-etcd-amb: NAME', name);
  const servers = readEtcdServers(values);
  if (port === undefined || service === undefined || servers.length === 0) return undefined;
  const source = { kind: 'etcd', servers, path: `/services/${service}`, tags: [] } as const;
  const backend: Backend = { source, options: {} };
  return forward(values, new Map([[port, backend]]));
}

/** `dynamic-etcd-amb NAME PORT`: the port leads to the endpoints below `/services/NAME/`. */
export const dynamicEtcdAmb: Subcommand = { name: 'dynamic-etcd-amb', usage, read };
