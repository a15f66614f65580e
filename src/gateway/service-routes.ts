import type { Backend, Source } from '../backend/backend.ts';
import type { Caller } from '../caller/caller.ts';
import { ok, type Result } from '../core/result.ts';
import type { Container } from '../docker/container.ts';

/** The services of a directory: by port, then by name. */
export type Services = ReadonlyMap<number, ReadonlyMap<string, Source>>;

/** What a caller's ports lead to. */
export type ServiceRoutes = ReadonlyMap<number, Result<Backend>>;

/** The name that has a port for whoever names none: the first by code unit. */
export function firstName(names: Iterable<string>): string | undefined {
  return [...names].sort()[0];
}

/** What every port leads to for a caller that names no service by its link. */
export function commonRoutes(services: Services): ServiceRoutes {
  return routesFor(services, new Set());
}

/**
 * The container as a caller of its own, where an alias of its link to the ambassador names a service whose port another
 * one has for everybody; undefined where it is like everybody.
 *
 * @param isSelf whether a link's target is the ambassador
 */
export function linkedCaller(
  container: Pick<Container, 'id' | 'name' | 'networks' | 'links'>,
  services: Services,
  isSelf: (target: string) => boolean,
): Caller | undefined {
  const aliases = new Set(container.links.filter(({ target }) => isSelf(target)).map(({ alias }) => alias));
  const addresses = [...new Set(container.networks.flatMap((network) => network.addresses))];
  if (aliases.size === 0 || addresses.length === 0) return undefined;
  const isDifferent = [...services.values()].some(
    (names) => names.size > 1 && chosen(names, aliases) !== firstName(names.keys()),
  );
  if (!isDifferent) return undefined;
  const { id, name } = container;
  return { id, name, addresses, routes: routesFor(services, aliases) };
}

function routesFor(services: Services, aliases: ReadonlySet<string>): ServiceRoutes {
  const routes = new Map<number, Result<Backend>>();
  for (const [port, names] of services) {
    const source = names.get(chosen(names, aliases) ?? '');
    // Long connections, such as those to databases, are spread evenly only where they are counted.
    if (source !== undefined) routes.set(port, ok({ source, options: { balance: 'leastconn' } }));
  }
  return routes;
}

function chosen(names: ReadonlyMap<string, Source>, aliases: ReadonlySet<string>): string | undefined {
  return firstName([...names.keys()].filter((name) => aliases.has(name))) ?? firstName(names.keys());
}
