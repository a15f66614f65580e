/**
 * What the gateway (HTTP applications by domain, TCP services by port) shows of itself: plain data, for the status page,
 * its JSON and the metrics. Counters begin at 0 with the process and only grow; times are ms since 1970.
 */
export interface GatewayStatus {
  readonly registry: RegistryStatus;
  readonly http: HttpStatus;
  /** By domain. */
  readonly applications: readonly ApplicationStatus[];
  /** By port, then by name. */
  readonly services: readonly ServiceStatus[];
  readonly skipped: SkippedStatus;
}

export interface RegistryStatus {
  /** As an operator writes it: `etcd://10.0.0.2:2379/prefix`. */
  readonly text: string;
  /** Whether all of it has been read at least once since the start. */
  readonly isRead: boolean;
  /** Why it cannot be read at present; what was known last is served then. */
  readonly problem?: string;
}

export interface HttpStatus {
  /** `[::]:80`; absent: not listening. */
  readonly address?: string;
  /** Clients' connections that are open now. */
  readonly connections: number;
  /** Clients' connections since the start. */
  readonly accepted: number;
  readonly requests: number;
  /** Over the last 10 s. */
  readonly requestsPerSecond: number;
  /** Requests that no application was found for, or that broke HTTP's rules: answered by the gateway itself. */
  readonly refused: number;
  /** Connections to endpoints that are kept open between requests, now. */
  readonly keptAlive: number;
}

/** What went through, whatever it went to. */
export interface TrafficStatus {
  /** Requests (or connections, of a service) under way now. */
  readonly active: number;
  /** Requests, or connections, that were passed on. */
  readonly served: number;
  /** From callers to endpoints. */
  readonly bytesUp: number;
  /** From endpoints to callers. */
  readonly bytesDown: number;
  /** Dials that failed, and answers that never came or broke off. */
  readonly failures: number;
}

export interface ApplicationStatus extends TrafficStatus {
  /** Lower case, without a port: `blog.example.com`, `*.example.com`. */
  readonly domain: string;
  /** Over the last 10 s. */
  readonly requestsPerSecond: number;
  /** Answers by the first digit of their status, `answers[2]` for 2xx; those that the gateway made itself included. */
  readonly answers: readonly number[];
  readonly endpoints: readonly EndpointStatus[];
}

export interface ServiceStatus {
  readonly name: string;
  readonly port: number;
  /**
   * listening: callers are served on the port. by-link-only: another name has the port, and this one is reached by
   * callers whose link names it. port-taken: something else on this host listens there; tried again.
   */
  readonly state: 'listening' | 'by-link-only' | 'port-taken';
  /** Why the port cannot be listened on. */
  readonly problem?: string;
  /** Connections to the port that are open now; those of every name that shares the port. */
  readonly active: number;
  /** Of the port, likewise, since the gateway listens on it. */
  readonly served: number;
  readonly refused: number;
  readonly endpoints: readonly EndpointStatus[];
}

export interface EndpointStatus {
  /** `10.0.0.5:8080` */
  readonly address: string;
  /** Its id in the registry. */
  readonly name: string;
  /** False: left out by a failed dial or check, dialled only when nothing else is left. */
  readonly isUp: boolean;
  /** The last state change; the start of the gateway's knowledge where it never changed. */
  readonly since: number;
  /** Why it is down. */
  readonly reason?: string;
  /** Absent where the data plane does not count by endpoint. */
  readonly traffic?: TrafficStatus;
}

export interface SkippedStatus {
  /** Keys that are left out now. */
  readonly count: number;
  /** The first of them, at most 50. */
  readonly keys: readonly { readonly key: string; readonly reason: string }[];
}
