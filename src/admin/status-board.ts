/**
 * Gathers what the ambassador shows of itself. Its parts are joined as they come up; the page, the JSON and the metrics are
 * all made from `status()`.
 *
 *     const board = new StatusBoard({ version, mode: 'omni mode', host: hostname(), logger });
 *     board.join({ routes: table, health });
 *     board.join({ proxy: () => traffic });
 *     board.become('ready');
 *     board.status();
 *
 * Nothing is measured before `start`: an ambassador without an admin port pays for none of this.
 */
import { formatHostPort } from '../core/address.ts';
import type { Logger } from '../core/log.ts';
import type { Part } from '../core/part.ts';
import { backendStatuses } from './backend-statuses.ts';
import { callerStatuses } from './caller-statuses.ts';
import { EndpointStates } from './endpoint-states.ts';
import { RateMeter } from './rate-meter.ts';
import { RecentProblems } from './recent-problems.ts';
import type { ProxyTraffic, StatusSources } from './sources.ts';
import type { Counts, ProgramState, Rates, Status, TrafficStatus } from './status.ts';
import { indexTraffic, ratesOf, sum, type TrafficIndex, totalsOf } from './traffic.ts';

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

const allTraffic = '';
const idle: ProxyTraffic = {
  address: undefined,
  maxConnections: 0,
  active: 0,
  served: 0,
  refused: 0,
  endpoints: [],
};

export class StatusBoard implements Part {
  /** The log that the ambassador writes; its latest warnings are shown. */
  readonly logger: RecentProblems;
  readonly #options: StatusBoardOptions;
  readonly #now: () => number;
  readonly #startedMs: number;
  readonly #rates = new RateMeter();
  #state: ProgramState = 'starting';
  #sources: StatusSources = {};
  #states: EndpointStates | undefined;
  #timer: NodeJS.Timeout | undefined;
  #history: readonly Rates[] = [];

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

  join(sources: StatusSources): void {
    this.#sources = { ...this.#sources, ...sources };
    if (this.#timer !== undefined) this.#watchStates();
  }

  become(state: ProgramState): void {
    this.#state = state;
  }

  /** Whether connections are accepted and routed. */
  get isServing(): boolean {
    return this.#sources.isServing?.() ?? false;
  }

  /** Whether everything is up and the ambassador is not about to end. */
  get isReady(): boolean {
    return this.isServing && this.#state === 'ready';
  }

  /** How many warnings and errors the log has had. */
  get problemCounts(): RecentProblems['counts'] {
    return this.logger.counts;
  }

  /** Reads the counters for the rates; the timer's work, every 2 s. */
  sample(): void {
    const traffic = this.#traffic();
    const { served, refused } = traffic;
    const totals = new Map<string, readonly number[]>();
    const index = indexTraffic(traffic.endpoints);
    for (const [backendKey, endpoints] of index) {
      totals.set(rateName(backendKey), totalsOf(sum(endpoints.values())));
      for (const [endpoint, counts] of endpoints)
        totals.set(rateName(backendKey, endpoint), totalsOf(counts));
    }
    const { bytesUp, bytesDown } = allBytes(index);
    totals.set(allTraffic, [served, bytesUp, bytesDown, refused]);
    this.#rates.sample(performance.now(), totals);
    this.#history = [...this.#history, ratesOf(this.#rates.of(allTraffic, 3))].slice(-historyLength);
  }

  status(): Status {
    const { version, mode, host } = this.#options;
    const { routes, health } = this.#sources;
    const traffic = this.#traffic();
    const index = indexTraffic(traffic.endpoints);
    const backends = backendStatuses(routes ?? noRoutes, {
      traffic: index,
      stateOf: (backend, endpoint) =>
        this.#states?.of(backend, endpoint) ?? { state: 'up', sinceMs: this.#startedMs },
      failureOf: (endpoint) => health?.failureOf(endpoint),
      ratesOf: (backendKey, endpoint) => ratesOf(this.#rates.of(rateName(backendKey, endpoint), 3)),
    });
    return {
      nuncio: {
        version,
        mode,
        host,
        state: this.#state,
        since: new Date(this.#startedMs).toISOString(),
        at: new Date(this.#now()).toISOString(),
      },
      traffic: this.#trafficStatus(traffic, index),
      callers: callerStatuses(routes ?? noRoutes, backends),
      backends: [...backends.values()],
      problems: this.logger.list(),
    };
  }

  #traffic(): ProxyTraffic {
    return this.#sources.proxy?.() ?? idle;
  }

  #trafficStatus(traffic: ProxyTraffic, index: TrafficIndex): TrafficStatus {
    const { address, maxConnections, active, served, refused } = traffic;
    const perS = this.#rates.of(allTraffic, 4);
    return {
      ...(address === undefined ? {} : { listen: formatHostPort(address.ip, address.port) }),
      maxConnections,
      active,
      connections: served,
      refused,
      ...allBytes(index),
      rates: { ...ratesOf(perS), refusedPerS: perS[3] ?? 0 },
      history: { everyMs: sampleMs, points: this.#history },
    };
  }

  #watchStates(): void {
    const { routes, health } = this.#sources;
    if (this.#states !== undefined || routes === undefined || health === undefined) return;
    this.#states = new EndpointStates({ routes, health }, this.#now);
  }
}

const noRoutes = { callers: new Map(), backends: new Map() };

/** Descriptors hold no line breaks, so a name cannot be two things. */
function rateName(backendKey: string, endpoint?: string): string {
  return endpoint === undefined ? backendKey : `${backendKey}\n${endpoint}`;
}

function allBytes(index: TrafficIndex): Pick<Counts, 'bytesUp' | 'bytesDown'> {
  const { bytesUp, bytesDown } = sum([...index.values()].flatMap((endpoints) => [...endpoints.values()]));
  return { bytesUp, bytesDown };
}
