import type { Backend, HostPort } from '../backend/backend.ts';
import { readLinks } from '../backend/links.ts';
import { parseDescriptor } from '../backend/parse.ts';
import type { Command } from './command.ts';
import { pointAt } from './endpoint-report.ts';
import { readRun, readSettings } from './settings.ts';
import type { Values } from './values.ts';

export const defaultPort = 10_000;

/** Whoever writes a command line may lead it where he likes; only a container's own descriptor is a stranger's. */
const trusted = { allowLocalTargets: true };
export const everyFile = { fileRoots: ['/'] };

/** A descriptor of the command line; what is wrong with it is told with the place. */
export function readBackend(values: Values, descriptor: string): Backend | undefined {
  const backend = parseDescriptor(descriptor);
  if (backend.ok) return backend.value;
  values.problems.push(`${backend.error.message}\n${pointAt(descriptor, backend.error.column ?? 1)}`);
  return undefined;
}

/** The port that a static forward listens on where none is named: that of its first backend. */
function firstPort({ source }: Backend): number | undefined {
  if (source.kind === 'static') return source.endpoints[0]?.port;
  return source.kind === 'docker' ? source.port : undefined;
}

/** `nuncio BACKEND`: one port, one backend. */
export function readForward(values: Values, descriptor: string): Command | undefined {
  const backend = readBackend(values, descriptor);
  if (backend === undefined) return undefined;
  const port = values.port('port') ?? firstPort(backend) ?? defaultPort;
  return forward(values, new Map([[port, backend]]));
}

/** `nuncio --links [NAME:PORT,…]`: a port for each of the links' ports. */
export function readLinkForwards(values: Values): Command | undefined {
  const named = values.text('links')?.value ?? 'env';
  const links = named === 'env' ? readLinks(values.env) : namedLinks(values, named);
  if (links === undefined) return undefined;
  if (links.size === 0) {
    values.problems.push(
      '--links: the environment has no link (X_PORT_<port>_TCP); Docker sets none on user-defined networks: name them, as in --links redis:6379,web:80',
    );
    return undefined;
  }
  if (values.isGiven('port'))
    values.shapeProblems.push('--port: the ports of --links are those of the links');
  const backends = [...links].map(([port, endpoints]): [number, Backend] => [
    port,
    { source: { kind: 'static', endpoints }, options: {} },
  ]);
  return forward(values, new Map(backends));
}

function namedLinks(values: Values, text: string): ReadonlyMap<number, HostPort[]> | undefined {
  const source = readBackend(values, text)?.source;
  if (source === undefined) return undefined;
  if (source.kind === 'static') return Map.groupBy(source.endpoints, ({ port }) => port);
  values.problems.push(`--links: expected NAME:PORT between commas, found ${JSON.stringify(text)}`);
  return undefined;
}

/** The command of a static forward with these backends, by the port to listen on. */
export function forward(values: Values, backends: ReadonlyMap<number, Backend>): Command {
  const [port = defaultPort] = backends.keys();
  const settings = readSettings(values, port);
  const discovery = { ...settings.discovery, ...everyFile };
  return {
    kind: 'forward',
    run: readRun(values),
    settings: { ...settings, ...trusted, discovery, backends },
  };
}
