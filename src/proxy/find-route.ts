import type { RouteLookup, RouteReader } from '../route/table.ts';

export interface FindRouteOptions {
  readonly routes: RouteReader;
  /** Makes the table know a caller that it does not know yet: bounded in time and number, never throws. */
  readonly awaitCaller: (ip: string) => Promise<boolean>;
  /** How long a connection waits for a backend that has not been resolved yet, ms. */
  readonly resolveWaitMs: number;
}

/**
 * The route of a connection. In steady state this is one look into the table. A caller that started a moment ago is
 * waited for, and so is the first answer of a backend that its descriptor names; an abort ends that wait.
 */
export async function findRoute(
  callerIp: string,
  port: number,
  options: FindRouteOptions,
  signal: AbortSignal,
): Promise<RouteLookup> {
  let route = options.routes.find(callerIp, port);
  if (route.kind === 'unknown-caller') {
    await options.awaitCaller(callerIp);
    route = options.routes.find(callerIp, port);
  }
  if (route.kind === 'found' && !route.backend.isResolved) {
    await isResolved(route.backend.key, options, signal);
    route = options.routes.find(callerIp, port);
  }
  return route;
}

function isResolved(
  key: string,
  { routes, resolveWaitMs }: FindRouteOptions,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, resolveWaitMs);
    const unsubscribe = routes.subscribe((change) => {
      const isAnswer = change.kind === 'backend' && change.backend.key === key && change.backend.isResolved;
      if (isAnswer || (change.kind === 'backend-gone' && change.key === key)) done();
    });
    signal.addEventListener('abort', done, { once: true });
    function done(): void {
      signal.removeEventListener('abort', done);
      clearTimeout(timer);
      unsubscribe();
      resolve();
    }
  });
}
