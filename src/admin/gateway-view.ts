import type {
  ApplicationStatus,
  GatewayStatus,
  EndpointStatus as RegisteredEndpoint,
  ServiceStatus,
} from '../core/gateway-status.ts';
import type { Total } from './rate-meter.ts';
import type {
  ApplicationView,
  BackendState,
  EndpointStatus,
  GatewayView,
  Rates,
  ServiceView,
} from './status.ts';

/** The gateway's part of a status: its endpoints in the words of all others, and rates beside the counts. */
export function gatewayView(gateway: GatewayStatus, ratesOf: (name: string) => Rates): GatewayView {
  const { registry, http, applications, services, skipped } = gateway;
  return {
    registry,
    http,
    skipped,
    applications: applications.map((application): ApplicationView => {
      const name = applicationName(application);
      const endpoints = endpointStatuses(name, application.endpoints, ratesOf);
      return { ...application, state: stateOf(endpoints), rates: ratesOf(name), endpoints };
    }),
    services: services.map((service): ServiceView => {
      const name = serviceName(service);
      const endpoints = endpointStatuses(name, service.endpoints, ratesOf);
      const health = stateOf(endpoints);
      return { ...service, health, connectionsPerS: ratesOf(name).connectionsPerS, endpoints };
    }),
  };
}

/** The totals that `gatewayView` asks the rates of, by the same names. */
export function* gatewayTotals(gateway: GatewayStatus): Generator<readonly [string, Total]> {
  for (const application of gateway.applications) {
    const name = applicationName(application);
    yield [name, { ...application, connections: application.served }];
    yield* endpointTotals(name, application.endpoints);
  }
  for (const service of gateway.services) {
    const name = serviceName(service);
    yield [name, { connections: service.served, bytesUp: 0, bytesDown: 0 }];
    yield* endpointTotals(name, service.endpoints);
  }
}

function* endpointTotals(
  owner: string,
  endpoints: readonly RegisteredEndpoint[],
): Generator<readonly [string, Total]> {
  for (const { address, traffic } of endpoints) {
    if (traffic !== undefined)
      yield [endpointName(owner, address), { ...traffic, connections: traffic.served }];
  }
}

// No key of a backend begins so: those are JSON.
const applicationName = ({ domain }: ApplicationStatus) => `application ${domain}`;
const serviceName = ({ name, port }: ServiceStatus) => `service ${port} ${name}`;
const endpointName = (owner: string, address: string) => `${owner}\n${address}`;

function endpointStatuses(
  owner: string,
  endpoints: readonly RegisteredEndpoint[],
  ratesOf: (name: string) => Rates,
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
    rates: ratesOf(endpointName(owner, address)),
  }));
}

function stateOf(endpoints: readonly EndpointStatus[]): BackendState {
  const up = endpoints.filter(({ state }) => state === 'up').length;
  if (up === 0) return 'down';
  return up === endpoints.length ? 'up' : 'degraded';
}
