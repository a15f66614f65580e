import type {
  ApplicationStatus,
  GatewayStatus,
  EndpointStatus as RegisteredEndpoint,
  ServiceStatus,
} from '../core/gateway-status.ts';
import type { EndpointTraffic } from './sources.ts';
import type {
  ApplicationView,
  BackendState,
  EndpointStatus,
  GatewayView,
  Rates,
  ServiceView,
} from './status.ts';

/** Rates by what `gatewayTraffic` calls a backend; with an endpoint, those of it alone. */
type RatesOf = (owner: string, endpoint?: string) => Rates;

/** The gateway's part of a status: its endpoints in the words of all others, and rates beside the counts. */
export function gatewayView(gateway: GatewayStatus, ratesOf: RatesOf): GatewayView {
  const { registry, http, applications, services, skipped } = gateway;
  return {
    registry,
    http,
    skipped,
    applications: applications.map((application): ApplicationView => {
      const owner = applicationName(application);
      const endpoints = endpointStatuses(owner, application.endpoints, ratesOf);
      return { ...application, state: stateOf(endpoints), rates: ratesOf(owner), endpoints };
    }),
    services: services.map((service): ServiceView => {
      const owner = serviceName(service);
      const endpoints = endpointStatuses(owner, service.endpoints, ratesOf);
      return { ...service, health: stateOf(endpoints), rates: ratesOf(owner), endpoints };
    }),
  };
}

/** What the gateway's endpoints have carried; an application, and a service, is a backend of its own. */
export function gatewayTraffic({ applications, services }: GatewayStatus): EndpointTraffic[] {
  return [
    ...applications.flatMap((one) => endpointTraffic(applicationName(one), one.endpoints)),
    ...services.flatMap((one) => endpointTraffic(serviceName(one), one.endpoints)),
  ];
}

function endpointTraffic(backend: string, endpoints: readonly RegisteredEndpoint[]): EndpointTraffic[] {
  return endpoints.flatMap(({ address, traffic }) =>
    traffic === undefined ? [] : [{ ...traffic, backend, endpoint: address, connections: traffic.served }],
  );
}

/** Clients' connections to the port of HTTP and to those of the services. */
export function gatewayConnections({ http, services }: GatewayStatus) {
  const sum = { active: http.connections, connections: http.accepted, refused: 0 };
  // The counts of a service are its port's, and names may share one.
  for (const { active, served, refused } of new Map(services.map((one) => [one.port, one])).values()) {
    sum.active += active;
    sum.connections += served;
    sum.refused += refused;
  }
  return sum;
}

// No key of a backend begins so: those are JSON.
const applicationName = ({ domain }: ApplicationStatus) => `application ${domain}`;
const serviceName = ({ name, port }: ServiceStatus) => `service ${port} ${name}`;

function endpointStatuses(
  owner: string,
  endpoints: readonly RegisteredEndpoint[],
  ratesOf: RatesOf,
): readonly EndpointStatus[] {
  return endpoints.map(({ address, name, isUp, since, reason, traffic }) => ({
    address,
    name,
    weight: 1,
    priority: 0,
    state: isUp ? 'up' : 'ejected',
    since,
    ...(reason === undefined ? {} : { failure: reason }),
    active: traffic?.active ?? 0,
    connections: traffic?.served ?? 0,
    kernelConnections: 0,
    failures: traffic?.failures ?? 0,
    bytesUp: traffic?.bytesUp ?? 0,
    bytesDown: traffic?.bytesDown ?? 0,
    rates: ratesOf(owner, address),
  }));
}

function stateOf(endpoints: readonly EndpointStatus[]): BackendState {
  const up = endpoints.filter(({ state }) => state === 'up').length;
  if (up === 0) return 'down';
  return up === endpoints.length ? 'up' : 'degraded';
}
