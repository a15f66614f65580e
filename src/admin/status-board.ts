/**
 * Gathers what the ambassador shows of itself. Its parts are shown as they come up; the page, the JSON and the metrics are
 * all made from `status()`.
 *
 *     const board = new StatusBoard({ version, mode: 'omni mode', host: hostname(), logger });
 *     board.showRoutes(table, health);
 *     board.showTraffic(proxy, maxConnections);
 *     board.become('ready');
 *     board.status();
 *
 * Nothing is measured before `start`: an ambassador without an admin port pays for none of this.
 */
import { formatHostPort } from '../core/address.ts';
import type { GatewayStatus } from '../core/gateway-status.ts';
import type { Logger } from '../core/log.ts';
import type { Part } from '../core/part.ts';
import { backendStatuses } from './backend-statuses.ts';
import { callerStatuses } from './caller-statuses.ts';
import { EndpointStates } from './endpoint-states.ts';
import { gatewayConnections, gatewayTraffic, gatewayView } from './gateway-view.ts';
import { RateMeter, type Total } from './rate-meter.ts';
import { RecentProblems } from './recent-problems.ts';
import type {
  EndpointTraffic,
  GatewaySource,
  Health,
  KernelSource,
  RegistrationSource,
  Routes,
  TrafficSource,
} from './sources.ts';
import type { ProgramState, Rates, Status, TrafficStatus } from './status.ts';
import { TrafficLedger } from './traffic-ledger.ts';

export interface StatusBoardOptions {
  readonly version: string;
  /** "omni mode" */
  readonly mode: string;
  /** Name of this machine or container. */
  readonly host: string;
  readonly logger: Logger;
  /** Epoch ms. */
  readonly now?: () => number;
}

/** Time between two samples, and how many of them are shown: two minutes. */
const sampleMs = 2000;
const historyLength = 60;

/** Problems of a registration that are shown. */
const maxNotRegistered = 50;

/** How long those who ask share one status. */
const shareMs = 1000;

/** In the meter: everything; else a backend's key, alone or with an endpoint behind it. */
const allTraffic = '';
const noRoutes = { callers: new Map(), backends: new Map() };

export class StatusBoard implements Part {
  /** The log that the ambassador writes; its latest warnings are shown. */
  readonly logger: RecentProblems;
  readonly #options: StatusBoardOptions;
  readonly #now: () => number;
  readonly #startedMs: number;
  readonly #meter = new RateMeter();
  readonly #ledger = new TrafficLedger();
  readonly #traffic: { readonly source: TrafficSource; readonly maxConnections: number }[] = [];
  #state: ProgramState = 'starting';
  #routes: Routes | undefined;
  #health: Health | undefined;
  #gateway: GatewaySource | undefined;
  #kernel: KernelSource | undefined;
  #registration: RegistrationSource | undefined;
  #isServing: () => boolean = () => false;
  #states: EndpointStates | undefined;
  #timer: NodeJS.Timeout | undefined;
  #history: readonly Rates[] = [];
  #latest: { readonly readMs: number; readonly status: Status } | undefined;

  constructor(options: StatusBoardOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#startedMs = this.#now();
    this.logger = new RecentProblems(options.logger, this.#now);
  }

  async start(): Promise<void> {
    this.#timer = setInterval(() => this.sample(), sampleMs);
    this.#timer.unref();
    this.#watchStates();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#states?.stop();
    this.#states = undefined;
  }

  /** Callers, backends and endpoints. */
  showRoutes(routes: Routes, health: Health): void {
    this.#routes = routes;
    this.#health = health;
    this.#watchStates();
  }

  /** One more data plane. */
  showTraffic(source: TrafficSource, maxConnections: number): void {
    this.#traffic.push({ source, maxConnections });
  }

  /** What leads callers without the proxy. */
  showKernel(kernel: KernelSource): void {
    this.#kernel = kernel;
  }

  /** Applications and services. */
  showGateway(gateway: GatewaySource): void {
    this.#gateway = gateway;
  }

  /** What this host's containers have in the registry. */
  showRegistration(registration: RegistrationSource): void {
    this.#registration = registration;
  }

  /** @param isServing whether connections are accepted and routed, at any moment from now on */
  showServing(isServing: () => boolean): void {
    this.#isServing = isServing;
  }

  become(state: ProgramState): void {
    this.#state = state;
  }

  get isServing(): boolean {
    return this.#isServing();
  }

  /** Whether everything is up and the ambassador is not about to end. */
  get isReady(): boolean {
    return this.isServing && this.#state === 'ready';
  }

  /** Reads the counters for the rates; the timer's work, every 2 s. */
  sample(): void {
    const gateway = this.#gateway?.();
    this.#readTraffic(gateway);
    const totals = new Map<string, Total>();
    // Copies: the ledger goes on adding to its own.
    const take = (name: string, { connections, bytesUp, bytesDown }: Total) =>
      totals.set(name, { connections, bytesUp, bytesDown });
    take(allTraffic, { ...this.#ledger.total, ...this.#served(gateway) });
    for (const [backend, endpoint] of this.#ledger.names()) {
      take(
        meterName(backend, endpoint),
        endpoint === undefined ? this.#ledger.ofBackend(backend) : this.#ledger.ofEndpoint(backend, endpoint),
      );
    }
    this.#meter.sample(performance.now(), totals);
    this.#history = [...this.#history, this.#meter.of(allTraffic)].slice(-historyLength);
  }

  /** As `status`, of the last second: however many ask, the work is done once. */
  get latest(): Status {
    const nowMs = performance.now();
    if (this.#latest === undefined || nowMs - this.#latest.readMs > shareMs) {
      this.#latest = { readMs: nowMs, status: this.status() };
    }
    return this.#latest.status;
  }

  status(): Status {
    const gateway = this.#gateway?.();
    this.#readTraffic(gateway);
    const { version, mode, host } = this.#options;
    const routes = this.#routes ?? noRoutes;
    const registration = this.#registration?.();
    const ratesOf = (backend: string, endpoint?: string) => this.#meter.of(meterName(backend, endpoint));
    const backends = backendStatuses(routes, {
      ledger: this.#ledger,
      stateOf: (backend, endpoint) =>
        this.#states?.of(backend, endpoint) ?? { state: 'up', sinceMs: this.#startedMs },
      failureOf: (endpoint) => this.#health?.failureOf(endpoint),
      ratesOf,
    });
    return {
      nuncio: { version, mode, host, state: this.#state, since: this.#startedMs, at: this.#now() },
      traffic: this.#trafficStatus(gateway),
      callers: callerStatuses(routes, backends, this.#kernel),
      backends: [...backends.values()],
      ...(gateway === undefined ? {} : { gateway: gatewayView(gateway, ratesOf) }),
      ...(registration === undefined
        ? {}
        : { registration: { ...registration, problems: registration.problems.slice(0, maxNotRegistered) } }),
      problems: this.logger.list(),
    };
  }

  #trafficStatus(gateway: GatewayStatus | undefined): TrafficStatus {
    const { bytesUp, bytesDown, kernelConnections } = this.#ledger.total;
    const kernel = this.#kernel?.counters;
    const addresses = this.#traffic.flatMap(({ source }) => source.address ?? []);
    const listen = addresses.map(({ ip, port }) => formatHostPort(ip, port));
    return {
      listen: gateway?.http.address === undefined ? listen : [...listen, gateway.http.address],
      dataPlanes: this.#traffic.map(({ source }) => source.kind),
      maxConnections: this.#traffic.reduce((total, { maxConnections }) => total + maxConnections, 0),
      ...this.#served(gateway),
      bytesUp,
      bytesDown,
      ...(kernel === undefined ? {} : { kernel: { routes: kernel.routes, connections: kernelConnections } }),
      rates: this.#meter.of(allTraffic),
      history: { everyMs: sampleMs, points: this.#history },
    };
  }

  #served(gateway: GatewayStatus | undefined): Pick<TrafficStatus, 'active' | 'connections' | 'refused'> {
    const sum =
      gateway === undefined ? { active: 0, connections: 0, refused: 0 } : gatewayConnections(gateway);
    sum.connections += this.#ledger.total.kernelConnections;
    for (const { source } of this.#traffic) {
      sum.active += source.counters.active;
      sum.connections += source.counters.served;
      sum.refused += source.counters.refused;
    }
    return sum;
  }

  #readTraffic(gateway: GatewayStatus | undefined): void {
    const sources = this.#traffic.map(({ source }) => source.traffic());
    sources.push(this.#kernel === undefined ? [] : kernelTraffic(this.#kernel));
    sources.push(gateway === undefined ? [] : gatewayTraffic(gateway));
    this.#ledger.read(sources, (backend) => this.#routes?.backends.has(backend) ?? false);
  }

  #watchStates(): void {
    if (this.#timer === undefined || this.#states !== undefined) return;
    if (this.#routes === undefined || this.#health === undefined) return;
    this.#states = new EndpointStates(this.#routes, this.#health, this.#now);
  }
}

/** Keys of backends hold no line breaks, so a name cannot be two things. */
function meterName(backend: string, endpoint?: string): string {
  return endpoint === undefined ? backend : `${backend}\n${endpoint}`;
}

function kernelTraffic({ counters }: KernelSource): EndpointTraffic[] {
  return counters.connects.map(({ callerId, port, backendKey, endpoint, connects }) => ({
    backend: backendKey,
    endpoint,
    part: `${callerId} ${port}`,
    connections: connects,
    kernelConnections: connects,
    active: 0,
    failures: 0,
    bytesUp: 0,
    bytesDown: 0,
  }));
}
