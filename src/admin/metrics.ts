import { gatewayMetrics } from './gateway-metrics.ts';
import { label, MetricSet } from './metric-set.ts';
import type { ProcessFacts } from './process-facts.ts';
import type { RecentProblems } from './recent-problems.ts';
import type { BackendState, EndpointState, RegistrationStatus, Status } from './status.ts';

export interface MetricsSource {
  readonly status: Status;
  readonly isReady: boolean;
  readonly problemCounts: RecentProblems['counts'];
  readonly facts: ProcessFacts;
}

/** Endpoints, and backends, that have series of their own; the rest counts in the totals alone. */
const maxSeries = 1000;

const backendStates: readonly BackendState[] = ['waiting', 'up', 'degraded', 'down'];
const endpointStates: readonly EndpointState[] = ['up', 'suspect', 'ejected'];

/** What Prometheus reads, of one moment. */
export function metricsText(source: MetricsSource): Promise<string> {
  const set = new MetricSet();
  const { status } = source;
  programMetrics(set, source);
  trafficMetrics(set, status);
  routeMetrics(set, status);
  endpointMetrics(set, status);
  if (status.registration !== undefined) registrationMetrics(set, status.registration);
  if (status.gateway !== undefined) gatewayMetrics(set, status.gateway, maxSeries);
  return set.text();
}

function programMetrics(set: MetricSet, { status, isReady, problemCounts, facts }: MetricsSource): void {
  const { version, mode, since } = status.nuncio;
  set
    .gauge('nuncio_build_info', 'The version, and what it was started as', ['version', 'mode'])
    .set({ version, mode }, 1);
  set.gauge('nuncio_ready', '1 where everything is up and it is not about to end').set(isReady ? 1 : 0);
  const problems = set.counter('nuncio_log_problems_total', 'Warnings and errors in the log', ['level']);
  for (const [level, count] of Object.entries(problemCounts)) problems.inc({ level }, count);
  set.gauge('process_start_time_seconds', 'When it started, Unix time').set(since / 1000);
  set.gauge('process_resident_memory_bytes', 'Resident memory').set(facts.residentBytes);
  set.counter('process_cpu_seconds_total', 'CPU time, user and system').inc(facts.cpuSeconds);
  if (facts.openFiles !== undefined) set.gauge('process_open_fds', 'Open files').set(facts.openFiles);
}

function trafficMetrics(set: MetricSet, { traffic }: Status): void {
  const { active, maxConnections, connections, refused, kernel, bytesUp, bytesDown } = traffic;
  set.gauge('nuncio_connections_active', 'Open connections').set(active);
  set.gauge('nuncio_connections_limit', 'Connections at a time; one more is reset').set(maxConnections);
  set.counter('nuncio_connections_total', 'Connections that were served').inc(connections);
  set.counter('nuncio_connections_refused_total', 'Connections that were reset').inc(refused);
  if (kernel !== undefined) {
    set.gauge('nuncio_kernel_routes', 'Routes that the kernel serves').set(kernel.routes);
    set
      .counter('nuncio_kernel_connections_total', 'Of all connections, those that the kernel led')
      .inc(kernel.connections);
  }
  const bytes = set.counter('nuncio_bytes_total', 'Bytes carried: up to endpoints, down to callers', [
    'direction',
  ]);
  bytes.inc({ direction: 'up' }, bytesUp);
  bytes.inc({ direction: 'down' }, bytesDown);
}

function routeMetrics(set: MetricSet, { callers, backends }: Status): void {
  set.gauge('nuncio_callers', 'Containers that may call').set(callers.length);
  const routes = callers.flatMap((caller) => caller.routes);
  const routeStates = set.gauge('nuncio_routes', 'Ports that callers name backends for, by state', ['state']);
  for (const state of [...backendStates, 'refused'] as const) {
    routeStates.set({ state }, routes.filter((route) => route.state === state).length);
  }
  const states = set.gauge('nuncio_backends', 'Backends by state', ['state']);
  for (const state of backendStates) {
    states.set({ state }, backends.filter((backend) => backend.state === state).length);
  }
  const of = ['backend'];
  const up = set.gauge('nuncio_backend_endpoints_up', 'Endpoints of a backend that are up', of);
  const failing = set.gauge('nuncio_backend_source_failing', '1 where its source cannot be read', of);
  for (const backend of backends.slice(0, maxSeries)) {
    const labels = { backend: label(backend.backend) };
    up.set(labels, backend.endpoints.filter(({ state }) => state === 'up').length);
    failing.set(labels, backend.problem === undefined ? 0 : 1);
  }
}

function endpointMetrics(set: MetricSet, { backends, traffic }: Status): void {
  const all = backends.flatMap(({ backend, endpoints }) =>
    endpoints.map((endpoint) => ({ endpoint, backend })),
  );
  const states = set.gauge('nuncio_endpoints', 'Endpoints by state', ['state']);
  for (const state of endpointStates) {
    states.set({ state }, all.filter(({ endpoint }) => endpoint.state === state).length);
  }
  const of = ['backend', 'endpoint'];
  const up = set.gauge('nuncio_endpoint_up', '1 where the endpoint is up', of);
  const active = set.gauge('nuncio_endpoint_connections_active', 'Open connections to an endpoint', of);
  const connections = set.counter('nuncio_endpoint_connections_total', 'Connections to an endpoint', of);
  const led =
    traffic.kernel === undefined
      ? undefined
      : set.counter('nuncio_endpoint_kernel_connections_total', 'Of those, the ones led by the kernel', of);
  const failures = set.counter('nuncio_endpoint_failures_total', 'Dials of an endpoint that failed', of);
  const bytes = set.counter('nuncio_endpoint_bytes_total', 'Bytes carried to an endpoint (up) and from it', [
    ...of,
    'direction',
  ]);
  for (const { endpoint, backend } of all.slice(0, maxSeries)) {
    const labels = { backend: label(backend), endpoint: endpoint.address };
    up.set(labels, endpoint.state === 'up' ? 1 : 0);
    // Backends with one source and different options are one series: their counts are added.
    active.inc(labels, endpoint.active);
    connections.inc(labels, endpoint.connections);
    led?.inc(labels, endpoint.kernelConnections);
    failures.inc(labels, endpoint.failures);
    bytes.inc({ ...labels, direction: 'up' }, endpoint.bytesUp);
    bytes.inc({ ...labels, direction: 'down' }, endpoint.bytesDown);
  }
  set
    .gauge('nuncio_endpoints_without_series', `Endpoints beyond the first ${maxSeries}`)
    .set(Math.max(0, all.length - maxSeries));
}

function registrationMetrics(set: MetricSet, { isConnected, wanted, written }: RegistrationStatus): void {
  set.gauge('nuncio_registration_connected', '1 while the registry answers').set(isConnected ? 1 : 0);
  set.gauge('nuncio_registration_wanted', 'Entries that there should be in the registry').set(wanted);
  set.gauge('nuncio_registration_written', 'Entries that are known to be there').set(written);
}
