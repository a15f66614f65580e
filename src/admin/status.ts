/**
 * What the status page, `/status` and `/metrics` show: plain data, as it stands at one moment. Times are ms since
 * 1970, rates are per second over the last seconds, bytes go "up" from a caller to an endpoint and "down" back to it.
 */
import type { ApplicationStatus, GatewayStatus, ServiceStatus } from '../core/gateway-status.ts';

export interface Status {
  readonly nuncio: ProgramStatus;
  readonly traffic: TrafficStatus;
  readonly callers: readonly CallerStatus[];
  readonly backends: readonly BackendStatus[];
  /** Absent where no gateway runs. */
  readonly gateway?: GatewayView;
  /** Absent where nothing is registered from here. */
  readonly registration?: RegistrationStatus;
  /** Warnings and errors of the log, the latest first; a bounded number. */
  readonly problems: readonly Problem[];
}

/** starting: not everything is up yet; draining: asked to stop, open connections may end. */
export type ProgramState = 'starting' | 'ready' | 'draining';

export interface ProgramStatus {
  readonly version: string;
  readonly mode: string;
  readonly host: string;
  readonly state: ProgramState;
  readonly since: number;
  /** When this was read. */
  readonly at: number;
}

/** What has been carried since the start. */
export interface Counts {
  /** Open at this moment. */
  readonly active: number;
  readonly connections: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
}

export interface Rates {
  readonly connectionsPerS: number;
  readonly bytesUpPerS: number;
  readonly bytesDownPerS: number;
}

export interface TrafficStatus extends Counts {
  /** Where callers are listened to; empty until they are. */
  readonly listen: readonly string[];
  /** What carries the bytes: `2 workers`. */
  readonly dataPlanes: readonly string[];
  /** Of the proxies; 0 where there is none. */
  readonly maxConnections: number;
  readonly refused: number;
  /** Absent where callers are led by the proxy alone. The connections are part of all. */
  readonly kernel?: { readonly routes: number; readonly connections: number };
  readonly rates: Rates;
  /** Rates of the last minutes, the oldest first, `everyMs` apart. */
  readonly history: { readonly everyMs: number; readonly points: readonly Rates[] };
}

export interface CallerStatus {
  readonly id: string;
  readonly name: string;
  readonly addresses: readonly string[];
  readonly routes: readonly RouteStatus[];
}

export interface RouteStatus {
  /** What the caller dials. */
  readonly port: number;
  readonly state: BackendState | 'refused';
  /** The descriptor's source; absent for a refused route. */
  readonly backend?: string;
  /** Why a route is refused. */
  readonly reason?: string;
  /** Who leads the caller's connections; absent where that can only be the proxy. */
  readonly path?: 'kernel' | 'proxy';
  /** Why it is the proxy. */
  readonly pathReason?: string;
}

/**
 * waiting: its source has not answered yet. up: every endpoint is. degraded: some are not, or its source fails and the
 * endpoints are the last ones known. down: none is up.
 */
export type BackendState = 'waiting' | 'up' | 'degraded' | 'down';

export interface BackendStatus extends Counts {
  readonly backend: string;
  /** What stands behind the descriptor's `?`. */
  readonly options: Readonly<Record<string, string>>;
  readonly state: BackendState;
  /** Why its source cannot be read at present. */
  readonly problem?: string;
  /** Number of callers that have a route to it. */
  readonly callers: number;
  readonly failures: number;
  /** Of the connections, those that the kernel led: they are not in `active`, nor in the bytes. */
  readonly kernelConnections: number;
  readonly rates: Rates;
  readonly endpoints: readonly EndpointStatus[];
}

/**
 * suspect: a connection to it failed lately, and it is in turn all the same, because too many of its set are.
 * ejected: it is dialled only when all others have failed.
 */
export type EndpointState = 'up' | 'suspect' | 'ejected';

export interface EndpointStatus extends Counts {
  readonly address: string;
  /** What its source calls it. */
  readonly name: string;
  readonly weight: number;
  readonly priority: number;
  readonly state: EndpointState;
  readonly since: number;
  /** Code of what failed last, while it is not up: "ECONNREFUSED". */
  readonly failure?: string;
  /** Dials that failed. */
  readonly failures: number;
  readonly kernelConnections: number;
  readonly rates: Rates;
}

/** What this host's containers have in the registry. */
export interface RegistrationStatus {
  /** Whether the registry answers. */
  readonly isConnected: boolean;
  /** Entries that there should be, and those that are known to be there. */
  readonly wanted: number;
  readonly written: number;
  /** What is not registered, and why: the first 50. */
  readonly problems: readonly string[];
}

/** Applications by domain, services by port. */
export interface GatewayView extends Pick<GatewayStatus, 'registry' | 'http' | 'skipped'> {
  readonly applications: readonly ApplicationView[];
  readonly services: readonly ServiceView[];
}

export interface ApplicationView extends Omit<ApplicationStatus, 'endpoints'> {
  readonly state: BackendState;
  /** Of requests, in place of connections. */
  readonly rates: Rates;
  readonly endpoints: readonly EndpointStatus[];
}

export interface ServiceView extends Omit<ServiceStatus, 'endpoints'> {
  /** Of its endpoints; `state` is that of its port. */
  readonly health: BackendState;
  readonly rates: Rates;
  readonly endpoints: readonly EndpointStatus[];
}

export interface Problem {
  readonly level: 'warn' | 'error';
  readonly message: string;
  readonly code?: string;
  readonly first: number;
  readonly last: number;
  /** How often it was logged. */
  readonly count: number;
}
