import { label, type MetricSet } from './metric-set.ts';
import type { EndpointStatus, GatewayView } from './status.ts';

/** What the gateway adds: the registry, applications by domain, services by name and port. */
export function gatewayMetrics(set: MetricSet, gateway: GatewayView, maxSeries: number): void {
  const { registry, skipped, http } = gateway;
  const failing = registry.problem !== undefined || !registry.isRead;
  set.gauge('nuncio_registry_failing', '1 where the registry cannot be read').set(failing ? 1 : 0);
  set.gauge('nuncio_registry_keys_skipped', 'Keys that cannot be used').set(skipped.count);
  set.gauge('nuncio_http_connections_active', "Clients' open connections").set(http.connections);
  set.counter('nuncio_http_connections_total', "Clients' connections").inc(http.accepted);
  set.counter('nuncio_http_requests_total', 'Requests').inc(http.requests);
  set
    .counter(
      'nuncio_http_requests_refused_total',
      'Requests for no application, or against the rules of HTTP',
    )
    .inc(http.refused);
  set.gauge('nuncio_http_kept_alive', 'Idle connections to endpoints').set(http.keptAlive);
  applicationMetrics(set, gateway, maxSeries);
  serviceMetrics(set, gateway, maxSeries);
}

function applicationMetrics(set: MetricSet, { applications }: GatewayView, maxSeries: number): void {
  const of = ['domain'];
  const answers = set.counter('nuncio_application_answers_total', 'Answers by class', [...of, 'class']);
  const active = set.gauge('nuncio_application_requests_active', 'Requests under way', of);
  const failures = set.counter('nuncio_application_failures_total', 'Dials and answers that failed', of);
  const bytes = set.counter('nuncio_application_bytes_total', 'Bytes to endpoints (up) and from them', [
    ...of,
    'direction',
  ]);
  const up = set.gauge('nuncio_application_endpoints_up', 'Endpoints that are up', of);
  for (const application of applications.slice(0, maxSeries)) {
    const labels = { domain: label(application.domain) };
    for (const [digit, count] of application.answers.entries()) {
      if (digit > 0) answers.inc({ ...labels, class: `${digit}xx` }, count ?? 0);
    }
    active.set(labels, application.active);
    failures.inc(labels, application.failures);
    bytes.inc({ ...labels, direction: 'up' }, application.bytesUp);
    bytes.inc({ ...labels, direction: 'down' }, application.bytesDown);
    up.set(labels, countUp(application.endpoints));
  }
}

function serviceMetrics(set: MetricSet, { services }: GatewayView, maxSeries: number): void {
  const of = ['service', 'port'];
  const listening = set.gauge('nuncio_service_listening', '1 where its port is listened on for it', of);
  const active = set.gauge('nuncio_service_connections_active', "Open connections to the service's port", of);
  const served = set.counter('nuncio_service_connections_total', "Connections to the service's port", of);
  const refused = set.counter('nuncio_service_connections_refused_total', 'Of those, the ones reset', of);
  const up = set.gauge('nuncio_service_endpoints_up', 'Endpoints that are up', of);
  for (const service of services.slice(0, maxSeries)) {
    const labels = { service: label(service.name), port: service.port };
    listening.set(labels, service.state === 'listening' ? 1 : 0);
    active.set(labels, service.active);
    served.inc(labels, service.served);
    refused.inc(labels, service.refused);
    up.set(labels, countUp(service.endpoints));
  }
}

function countUp(endpoints: readonly EndpointStatus[]): number {
  return endpoints.filter(({ state }) => state === 'up').length;
}
