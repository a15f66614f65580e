import type { Command } from './command.ts';
import { defaultPort, forward, readBackend } from './read-forward.ts';
import type { Subcommand } from './subcommand.ts';
import type { Values } from './values.ts';

const usage = `nuncio simple-amb leads every connection to one place.

Usage:
  nuncio simple-amb HOST:PORT [-p PORT]

It listens on port 10000, or on PORT. Any BACKEND may take the place of HOST:PORT: several between commas,
a name with SRV records, etcd://… (nuncio --help tells them all).

Example: etcd at a place that its callers need not know
  docker run -d --name etcd-amb nuncio simple-amb 172.17.42.1:4001
  docker run --link etcd-amb:etcd my/app        # dials etcd:10000
`;

function read(values: Values, operands: readonly string[]): Command | undefined {
  const [descriptor, ...more] = operands;
  if (descriptor === undefined || more.length > 0) {
    const found = operands.length === 0 ? 'nothing' : operands.map((text) => JSON.stringify(text)).join(' ');
    values.shapeProblems.push(`simple-amb: expected one HOST:PORT, found ${found}`);
    return undefined;
  }
  const backend = readBackend(values, descriptor);
  if (backend === undefined) return undefined;
  return forward(values, new Map([[values.port('port') ?? defaultPort, backend]]));
}

/** `simple-amb HOST:PORT`: port 10000 leads there. */
export const simpleAmb: Subcommand = { name: 'simple-amb', usage, read };
