import { Counter, Gauge, Registry } from 'prom-client';
import type { ProcessFacts } from './process-facts.ts';
import type { RecentProblems } from './recent-problems.ts';
import type { BackendState, EndpointState, Status } from './status.ts';

export interface MetricsSource {
  readonly status: Status;
  readonly isReady: boolean;
  readonly problemCounts: RecentProblems['counts'];
  readonly facts: ProcessFacts;
}

/** Endpoints, and backends, that have series of their own; the rest counts in the totals alone. */
const maxSeries = 1000;
const maxLabel = 200;

const backendStates: readonly BackendState[] = ['waiting', 'up', 'degraded', 'down'];
const endpointStates: readonly EndpointState[] = ['up', 'suspect', 'ejected'];

/** The text that Prometheus reads, of one moment: everything is made from `source`, nothing is kept between two calls. */
export class Metrics {
  readonly #registry = new Registry();

  static async text(source: MetricsSource): Promise<string> {
    const metrics = new Metrics();
    metrics.#program(source);
    metrics.#traffic(source.status);
    metrics.#routes(source.status);
    metrics.#endpoints(source.status);
    return metrics.#registry.metrics();
  }

  /** Of the format that `text` writes. */
  static readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE;

  #program({ status, isReady, problemCounts, facts }: MetricsSource): void {
    const { version, mode, since } = status.nuncio;
    this.#gauge('nuncio_build_info', 'The version, and what it was started as', ['version', 'mode'])
      .set({ version, mode }, 1);
    this.#gauge('nuncio_ready', '1 where everything is up and it is not about to end').set(isReady ? 1 : 0);
    const problems = this.#counter('nuncio_log_problems_total', 'Warnings and errors in the log', ['level']);
    for (const [level, count] of Object.entries(problemCounts)) problems.inc({ level }, count);
    this.#gauge('process_start_time_seconds', 'When it started, Unix time').set(Date.parse(since) / 1000);
    this.#gauge('process_resident_memory_bytes', 'Resident memory').set(facts.residentBytes);
    this.#counter('process_cpu_seconds_total', 'CPU time, user and system').inc(facts.cpuSeconds);
    if (facts.openFiles !== undefined)
      this.#gauge('process_open_fds', 'Open files').set(facts.openFiles);
  }

  #traffic({ traffic }: Status): void {
    const { active, maxConnections, connections, refused, bytesUp, bytesDown } = traffic;
    this.#gauge('nuncio_connections_active', 'Open connections').set(active);
    this.#gauge('nuncio_connections_limit', 'Connections at a time; one more is reset').set(maxConnections);
    this.#counter('nuncio_connections_total', 'Connections that were relayed').inc(connections);
    this.#counter('nuncio_connections_refused_total', 'Connections that were reset').inc(refused);
    const bytes = this.#counter('nuncio_bytes_total', 'Bytes carried: up to endpoints, down to callers', [
      'direction',
    ]);
    bytes.inc({ direction: 'up' }, bytesUp);
    bytes.inc({ direction: 'down' }, bytesDown);
  }

  #routes({ callers, backends }: Status): void {
    this.#gauge('nuncio_callers', 'Containers that may call').set(callers.length);
    const routes = this.#gauge('nuncio_routes', 'Ports that callers name backends for, by state', ['state']);
    for (const state of [...backendStates, 'refused'] as const) {
      const isCounted = (route: { state: string }) => route.state === state;
      routes.set({ state }, callers.reduce((total, caller) => total + caller.routes.filter(isCounted).length, 0));
    }
    const states = this.#gauge('nuncio_backends', 'Backends by state', ['state']);
    for (const state of backendStates) states.set({ state }, backends.filter((b) => b.state === state).length);
    const endpoints = this.#gauge('nuncio_endpoints', 'Endpoints by state', ['state']);
    for (const state of endpointStates) {
      const all = backends.flatMap((backend) => backend.endpoints);
      endpoints.set({ state }, all.filter((endpoint) => endpoint.state === state).length);
    }
    const up = this.#gauge('nuncio_backend_endpoints_up', 'Endpoints of a backend that are up', ['backend']);
    const failing = this.#gauge('nuncio_backend_source_failing', '1 where its source cannot be read', ['backend']);
    for (const backend of backends.slice(0, maxSeries)) {
      const labels = { backend: label(backend.backend) };
      up.set(labels, backend.endpoints.filter(({ state }) => state === 'up').length);
      failing.set(labels, backend.problem === undefined ? 0 : 1);
    }
  }

  #endpoints({ backends }: Status): void {
    const of = ['backend', 'endpoint'];
    const up = this.#gauge('nuncio_endpoint_up', '1 where the endpoint is up', of);
    const active = this.#gauge('nuncio_endpoint_connections_active', 'Open connections to an endpoint', of);
    const connections = this.#counter('nuncio_endpoint_connections_total', 'Connections to an endpoint', of);
    const failures = this.#counter('nuncio_endpoint_failures_total', 'Dials of an endpoint that failed', of);
    const bytes = this.#counter('nuncio_endpoint_bytes_total', 'Bytes carried to and from an endpoint', [
      ...of,
      'direction',
    ]);
    const all = backends.flatMap(({ backend, endpoints }) =>
      endpoints.map((endpoint) => ({ endpoint, backend })),
    );
    for (const { endpoint, backend } of all.slice(0, maxSeries)) {
      const labels = { backend: label(backend), endpoint: endpoint.address };
      up.set(labels, endpoint.state === 'up' ? 1 : 0);
      // Backends with one source and different options are one series: their counts are added.
      active.inc(labels, endpoint.active);
      connections.inc(labels, endpoint.connections);
      failures.inc(labels, endpoint.failures);
      bytes.inc({ ...labels, direction: 'up' }, endpoint.bytesUp);
      bytes.inc({ ...labels, direction: 'down' }, endpoint.bytesDown);
    }
    this.#gauge('nuncio_endpoints_without_series', `Endpoints beyond the first ${maxSeries}`)
      .set(Math.max(0, all.length - maxSeries));
  }

  #gauge(name: string, help: string, labelNames: string[] = []): Gauge {
    return new Gauge({ name, help, labelNames, registers: [this.#registry] });
  }

  #counter(name: string, help: string, labelNames: string[] = []): Counter {
    return new Counter({ name, help, labelNames, registers: [this.#registry] });
  }
}

function label(text: string): string {
  return text.length > maxLabel ? `${text.slice(0, maxLabel - 1)}…` : text;
}
