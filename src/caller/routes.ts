/**
 * Routes of a container: what its environment and its labels say that a port leads to. Pure.
 *
 *     readRoutes(container, { allowLocalTargets: false });
 *     // BACKEND_6379=redis-1:6379 -> routes: Map { 6379 => { ok: true, value: { source, options } } }
 */
import { isIP } from 'node:net';
import { type Backend, type HostPort, type Source, withDialledPort } from '../backend/backend.ts';
import { parseDescriptor, parseServiceDescriptor } from '../backend/parse.ts';
import { formatHostPort, isLoopbackOrLinkLocal, isUnspecified, parsePort } from '../core/address.ts';
import { AppError } from '../core/errors.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type { Container } from '../docker/container.ts';

export interface RouteOptions {
  /** Whether a container may name loopback and link-local addresses: they are the ambassador's, not its own. */
  readonly allowLocalTargets: boolean;
  /** The only registry servers that a descriptor may name, as `host:port`; absent = any. */
  readonly registries?: ReadonlySet<string> | undefined;
  /** Where embassy's services are found (--discovery); absent = they are refused. */
  readonly discovery?: ((service: string, tags: readonly string[]) => Result<Backend>) | undefined;
  /** How the names of the variables begin, in any case; absent = `BACKEND_`. */
  readonly variablePrefix?: string | undefined;
}

const defaultPrefix = 'BACKEND_';

export interface Routes {
  /** By dialled port; a definition that cannot be used is its port's error. */
  readonly routes: ReadonlyMap<number, Result<Backend>>;
  /**
   * What makes no route: ERR_DESCRIPTOR_SYNTAX for a mistake, ERR_NO_ROUTE for a variable that may be meant for somebody
   * else (`BACKEND_URL=http://…`).
   */
  readonly problems: readonly AppError[];
}

/** A definition that leads a port somewhere, or the reason why it does not. */
type Definition =
  | { readonly kind: 'route'; readonly port: number; readonly backend: Result<Backend> }
  | { readonly kind: 'problem'; readonly error: AppError };

/** Refuses what a container may not name; names are judged when they are resolved. */
function allowed(backend: Backend, where: string, options: RouteOptions): Result<Backend> {
  const reason = refusal(backend.source, options);
  return reason === undefined
    ? ok(backend)
    : fail(new AppError('ERR_DESCRIPTOR_REFUSED', `${where}: ${reason}`));
}

function refusal(source: Source, options: RouteOptions): string | undefined {
  switch (source.kind) {
    case 'static':
      return source.endpoints
        .map(({ host }) => refusedHost(host, options))
        .find((reason) => reason !== undefined);
    case 'etcd':
      return refusedRegistry(source.servers, options);
    case 'consul':
    case 'consul-service':
      return refusedRegistry([source.server], options);
    default:
      return undefined;
  }
}

function refusedHost(host: string, { allowLocalTargets }: RouteOptions): string | undefined {
  if (isIP(host) === 0) return undefined;
  if (isUnspecified(host)) return `${host} is no address that can be dialled; name the backend's own address`;
  if (allowLocalTargets || !isLoopbackOrLinkLocal(host)) return undefined;
  return `${host} would be the ambassador's own machine, not the container's; name an address that both can reach`;
}

/** The ambassador's passwords and tokens go to the server that is named. */
function refusedRegistry(servers: readonly HostPort[], { registries }: RouteOptions): string | undefined {
  const stranger = servers
    .map(({ host, port }) => formatHostPort(host, port))
    .find((server) => registries !== undefined && !registries.has(server));
  return stranger === undefined
    ? undefined
    : `the registry ${stranger} is not among those that the operator allows (--registries)`;
}

/** A parser's error with the place that it knows nothing of; it begins with its column already. */
function located(error: AppError, where: string): AppError {
  const details = error.column === undefined ? { cause: error } : { cause: error, column: error.column };
  return new AppError(error.code, `${where}, ${error.message}`, details);
}

function definition(port: number, text: string, where: string, options: RouteOptions): Definition {
  const parsed = parseDescriptor(text);
  const backend = parsed.ok
    ? allowed(withDialledPort(parsed.value, port), where, options)
    : fail(located(parsed.error, where));
  return { kind: 'route', port, backend };
}

/** embassy's `BACKEND_<any>=<service>[tag,tag];<port>`: the port stands in the value. */
function serviceDefinition(
  text: string,
  where: string,
  namedPort: number | undefined,
  options: RouteOptions,
): Definition {
  const parsed = parseServiceDescriptor(text);
  if (!parsed.ok) {
    const error = located(parsed.error, where);
    // `BACKEND_6379=redis;`: no port can be read from the value, but the name tells whose error it is.
    return namedPort === undefined
      ? { kind: 'problem', error }
      : { kind: 'route', port: namedPort, backend: fail(error) };
  }
  const { service, tags, port } = parsed.value;
  if (options.discovery === undefined) {
    const message = `${where}: the service "${service}" can only be found with --discovery, which is not given`;
    return { kind: 'route', port, backend: fail(new AppError('ERR_NOT_IN_BUILD', message)) };
  }
  const found = options.discovery(service, tags);
  const backend = found.ok
    ? allowed(withDialledPort(found.value, port), where, options)
    : fail(new AppError(found.error.code, `${where}: ${found.error.message}`, { cause: found.error }));
  return { kind: 'route', port, backend };
}

function variableDefinition(name: string, value: string, where: string, options: RouteOptions): Definition {
  const prefix = options.variablePrefix ?? defaultPrefix;
  const suffix = name.slice(prefix.length);
  const port = parsePort(suffix);
  if (value.includes(';')) return serviceDefinition(value, where, port, options);
  if (port !== undefined) return definition(port, value, where, options);
  const [code, why] = /^\d+$/.test(suffix)
    ? (['ERR_DESCRIPTOR_SYNTAX', `"${suffix}" is no port (1 to 65535)`] as const)
    : (['ERR_NO_ROUTE', `names no port (${prefix}<port>=…), so it makes no route`] as const);
  return { kind: 'problem', error: new AppError(code, `${where}: ${why}`) };
}

const labelPrefix = 'connect.';

function labelDefinition(name: string, value: string, where: string, options: RouteOptions): Definition {
  const suffix = name.slice(labelPrefix.length);
  const port = parsePort(suffix);
  if (port !== undefined) return definition(port, value, where, options);
  const error = new AppError('ERR_DESCRIPTOR_SYNTAX', `${where}: "${suffix}" is no port (1 to 65535)`);
  return { kind: 'problem', error };
}

/** The ports that `connect.<port>` labels name, ascending; also those whose value cannot be used. */
export function labelledPorts(labels: Container['labels']): readonly number[] {
  const suffixes = [...labels.keys()].flatMap((name) =>
    name.startsWith(labelPrefix) ? [name.slice(labelPrefix.length)] : [],
  );
  const ports = suffixes.map(parsePort).filter((port) => port !== undefined);
  return [...new Set(ports)].sort((a, b) => a - b);
}

/**
 * The routes of a container, from `BACKEND_…` (compared without case; ambassadord's and embassy's forms) and from
 * `connect.<port>` labels (connectable's). The environment beats a label; of two variables for a port the first one wins.
 */
export function readRoutes(
  container: Pick<Container, 'name' | 'env' | 'labels'>,
  options: RouteOptions,
): Routes {
  const routes = new Map<number, Result<Backend>>();
  const problems: AppError[] = [];
  /** Which variable made a port's route. */
  const origins = new Map<number, string>();
  const prefix = (options.variablePrefix ?? defaultPrefix).toUpperCase();

  for (const [name, value] of container.env) {
    if (name.length <= prefix.length || !name.toUpperCase().startsWith(prefix)) continue;
    const where = `container ${container.name}, ${name}`;
    const made = variableDefinition(name, value, where, options);
    if (made.kind === 'problem') {
      problems.push(made.error);
      continue;
    }
    const origin = origins.get(made.port);
    if (origin !== undefined) {
      const message = `${where}: port ${made.port} is defined by ${origin} already, which stays; remove one of them`;
      problems.push(new AppError('ERR_DESCRIPTOR_SYNTAX', message));
      continue;
    }
    origins.set(made.port, name);
    routes.set(made.port, made.backend);
  }
  for (const [name, value] of container.labels) {
    if (!name.startsWith(labelPrefix)) continue;
    const where = `container ${container.name}, label ${name}`;
    const made = labelDefinition(name, value, where, options);
    if (made.kind === 'problem') problems.push(made.error);
    else if (!routes.has(made.port)) routes.set(made.port, made.backend);
  }
  return { routes, problems };
}
