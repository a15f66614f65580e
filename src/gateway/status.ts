import type { Source } from '../backend/backend.ts';
import { type Endpoint, endpointKey } from '../core/endpoint.ts';
import type {
  ApplicationStatus,
  EndpointStatus,
  GatewayStatus,
  RegistryStatus,
  ServiceStatus,
  TrafficStatus,
} from '../core/gateway-status.ts';
import type { SkippedValue } from '../discovery/values.ts';
import type { EndpointHealth } from '../health/endpoint-health.ts';
import { httpPort } from '../http/applications.ts';
import type { HttpProxy } from '../http/http-proxy.ts';
import type { BackendEntry, RouteTable } from '../route/table.ts';
import { checkHost } from './applications.ts';
import type { EndpointTimes } from './endpoint-times.ts';
import type { ServicePort } from './service-ports.ts';
import { firstName, type Services } from './service-routes.ts';

/** What the status is read from. */
export interface StatusSources {
  readonly registry: RegistryStatus;
  readonly skipped: readonly SkippedValue[];
  readonly http: Pick<HttpProxy, 'status' | 'traffic'>;
  readonly applications: Pick<RouteTable, 'callers' | 'backend'>;
  readonly services: Services;
  readonly serviceTable: Pick<RouteTable, 'backends'>;
  readonly ports: readonly ServicePort[];
  readonly health: Pick<EndpointHealth, 'failureOf'>;
  readonly times: EndpointTimes;
}

const maxSkipped = 50;

/** What the gateway shows of itself. */
export function gatewayStatus(sources: StatusSources): GatewayStatus {
  const keys = new Set<string>();
  const status = {
    registry: sources.registry,
    http: sources.http.status,
    applications: applicationStatuses(sources, keys),
    services: serviceStatuses(sources, keys),
    skipped: { count: sources.skipped.length, keys: sources.skipped.slice(0, maxSkipped) },
  };
  sources.times.keep(keys);
  return status;
}

function applicationStatuses(sources: StatusSources, keys: Set<string>): ApplicationStatus[] {
  return [...sources.applications.callers.keys()].sort().map((domain) => {
    const target = sources.applications.callers.get(domain)?.routes.get(httpPort);
    const backend = target?.kind === 'backend' ? sources.applications.backend(target.backendKey) : undefined;
    const traffic = sources.http.traffic(domain);
    const host = checkHost(domain);
    const endpoints = (backend?.endpoints ?? []).map((endpoint) => {
      const counts = traffic?.endpoints.get(endpointKey(endpoint))?.status() ?? noTraffic;
      return endpointStatus(endpoint, { sources, keys, owner: domain, host, traffic: counts });
    });
    return {
      domain,
      ...(traffic?.status() ?? noTraffic),
      requestsPerSecond: traffic?.rate.perSecond ?? 0,
      answers: [...(traffic?.answers ?? noAnswers)],
      endpoints,
    };
  });
}

const noTraffic: TrafficStatus = { active: 0, served: 0, bytesUp: 0, bytesDown: 0, failures: 0 };
const noAnswers = [0, 0, 0, 0, 0, 0];

function serviceStatuses(sources: StatusSources, keys: Set<string>): ServiceStatus[] {
  const ports = new Map(sources.ports.map((held) => [held.port, held]));
  const backends = new Map<string, BackendEntry>();
  for (const entry of sources.serviceTable.backends.values()) backends.set(sourceOf(entry.key), entry);
  const services = [...sources.services].sort(([a], [b]) => a - b);
  return services.flatMap(([port, names]) => {
    const held = ports.get(port);
    const first = firstName(names.keys());
    return [...names]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, source]) => {
        const backend = backends.get(JSON.stringify(source));
        const rows = held?.plane?.traffic().filter((row) => row.backend === backend?.key) ?? [];
        const owner = `${name}/${port}`;
        const endpoints = (backend?.endpoints ?? []).map((endpoint) => {
          const row = rows.find((one) => one.endpoint === endpointKey(endpoint));
          const traffic = row === undefined ? noTraffic : { ...row, served: row.connections };
          return endpointStatus(endpoint, { sources, keys, owner, host: undefined, traffic });
        });
        const counters = held?.plane?.counters ?? { active: 0, served: 0, refused: 0 };
        return { name, port, ...stateOf(held, name === first), ...counters, endpoints };
      });
  });
}

function stateOf(held: ServicePort | undefined, isFirst: boolean): Pick<ServiceStatus, 'state' | 'problem'> {
  if (held?.problem !== undefined) return { state: 'port-taken', problem: held.problem };
  return { state: isFirst ? 'listening' : 'by-link-only' };
}

/** Of a backend's key, the source (backendKey). */
function sourceOf(key: string): string {
  const [source]: [Source] = JSON.parse(key);
  return JSON.stringify(source);
}

interface EndpointFacts {
  readonly sources: StatusSources;
  readonly keys: Set<string>;
  readonly owner: string;
  readonly host: string | undefined;
  readonly traffic: TrafficStatus;
}

function endpointStatus(endpoint: Endpoint, facts: EndpointFacts): EndpointStatus {
  const { sources, keys, owner, host, traffic } = facts;
  const address = endpointKey(endpoint);
  const reason = sources.health.failureOf(endpoint, host);
  const key = `${owner} ${address}`;
  keys.add(key);
  const { active, served, bytesUp, bytesDown, failures } = traffic;
  return {
    address,
    name: endpoint.name,
    isUp: reason === undefined,
    since: sources.times.since(key, reason === undefined),
    ...(reason === undefined ? {} : { reason }),
    traffic: { active, served, bytesUp, bytesDown, failures },
  };
}
