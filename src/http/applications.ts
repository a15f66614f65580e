import type { BackendEntry, RouteTable } from '../route/table.ts';

/**
 * Applications in a route table of their own: the entry of a domain is the "caller" of that name, with one route, that
 * of `httpPort`.
 */
export type ApplicationTable = Pick<RouteTable, 'callers' | 'backend' | 'subscribe'>;

/** Port of an application's route in the table, whatever port is listened on. */
export const httpPort = 80;

export interface Application {
  /** As it is registered: `blog.example.com`, `*.example.com`. */
  readonly domain: string;
  readonly backend: BackendEntry;
}

/**
 * The application that serves a domain: its own, else the one of the longest `*.` that ends it, `*.example.com` for
 * `a.b.example.com` but not for `example.com`.
 *
 * @param domain lower case, without a port
 */
export function findApplication(table: ApplicationTable, domain: string): Application | undefined {
  const own = applicationOf(table, domain);
  if (own !== undefined) return own;
  for (let dot = domain.indexOf('.'); dot !== -1; dot = domain.indexOf('.', dot + 1)) {
    const wild = applicationOf(table, `*${domain.slice(dot)}`);
    if (wild !== undefined) return wild;
  }
  return undefined;
}

function applicationOf(table: ApplicationTable, domain: string): Application | undefined {
  const target = table.callers.get(domain)?.routes.get(httpPort);
  if (target?.kind !== 'backend') return undefined;
  const backend = table.backend(target.backendKey);
  return backend === undefined ? undefined : { domain, backend };
}
