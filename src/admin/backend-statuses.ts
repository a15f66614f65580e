import type { BackendOptions } from '../backend/backend.ts';
import { type Endpoint, endpointKey } from '../core/endpoint.ts';
import type { BackendEntry, RouteTable } from '../route/table.ts';
import type { BackendState, BackendStatus, EndpointState, EndpointStatus, Rates } from './status.ts';
import type { TrafficLedger } from './traffic-ledger.ts';

/** What is known of endpoints besides what the route table says. */
export interface EndpointKnowledge {
  readonly ledger: Pick<TrafficLedger, 'ofEndpoint' | 'ofBackend'>;
  readonly stateOf: (
    backend: BackendEntry,
    endpoint: Endpoint,
  ) => { readonly state: EndpointState; readonly sinceMs: number };
  readonly failureOf: (endpoint: Endpoint) => string | undefined;
  /** @param endpoint absent: of the whole backend */
  readonly ratesOf: (backendKey: string, endpoint?: string) => Rates;
}

/** Every backend of the table, by key, in the order of the table. */
export function backendStatuses(
  routes: Pick<RouteTable, 'callers' | 'backends'>,
  known: EndpointKnowledge,
): ReadonlyMap<string, BackendStatus> {
  const callers = countCallers(routes);
  const statuses = new Map<string, BackendStatus>();
  for (const backend of routes.backends.values()) {
    const { key, text, options, problem } = backend;
    const endpoints = backend.endpoints.map((endpoint) => endpointStatus(backend, endpoint, known));
    statuses.set(key, {
      backend: text,
      options: describeOptions(options),
      state: backendState(backend, endpoints),
      ...(problem === undefined ? {} : { problem }),
      callers: callers.get(key) ?? 0,
      ...known.ledger.ofBackend(key),
      rates: known.ratesOf(key),
      endpoints,
    });
  }
  return statuses;
}

function endpointStatus(backend: BackendEntry, endpoint: Endpoint, known: EndpointKnowledge): EndpointStatus {
  const address = endpointKey(endpoint);
  const { state, sinceMs } = known.stateOf(backend, endpoint);
  const failure = state === 'up' ? undefined : known.failureOf(endpoint);
  return {
    address,
    name: endpoint.name,
    weight: endpoint.weight,
    priority: endpoint.priority,
    state,
    since: sinceMs,
    ...(failure === undefined ? {} : { failure }),
    ...known.ledger.ofEndpoint(backend.key, address),
    rates: known.ratesOf(backend.key, address),
  };
}

function backendState(backend: BackendEntry, endpoints: readonly EndpointStatus[]): BackendState {
  const up = endpoints.filter(({ state }) => state === 'up').length;
  if (!backend.isResolved) return 'waiting';
  if (up === 0) return 'down';
  return up === endpoints.length && backend.problem === undefined ? 'up' : 'degraded';
}

/** In the spelling of a descriptor, times in ms. */
function describeOptions({ balance, connectTimeoutMs, sendProxy, checkMs }: BackendOptions) {
  return {
    ...(balance === undefined ? {} : { balance }),
    ...(connectTimeoutMs === undefined ? {} : { 'connect-timeout': `${connectTimeoutMs}ms` }),
    ...(sendProxy === undefined ? {} : { 'send-proxy': sendProxy }),
    ...(checkMs === undefined ? {} : { check: `${checkMs}ms` }),
  };
}

/** How many callers have a route to each backend. */
function countCallers({ callers }: Pick<RouteTable, 'callers'>): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { routes } of callers.values()) {
    const keys = [...routes.values()].flatMap((target) =>
      target.kind === 'backend' ? [target.backendKey] : [],
    );
    for (const key of new Set(keys)) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}
