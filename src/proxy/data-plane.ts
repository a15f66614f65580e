/**
 * A data plane: accepts connections, finds out who calls and what was dialled, and carries the bytes. There are two:
 *
 *     epoll/      worker threads, each with an epoll loop of its own
 *     portable/   Node's own sockets, where the first cannot run
 *
 * Both do the same, which test/contract/data-plane.ts holds, and read the route table and nothing else.
 */
import type { SocketAddress } from '../core/address.ts';
import type { Logger } from '../core/log.ts';
import type { Part } from '../core/part.ts';
import type { RouteReader } from '../route/table.ts';
import type { EndpointTraffic } from './traffic.ts';

/** Told of what dials have shown. */
export interface DialReport {
  failed(address: SocketAddress, code: string): void;
  succeeded(address: SocketAddress): void;
}

/** Addresses of the ambassador itself; connections from them are its own probes. */
export interface OwnAddressSet {
  /** @param ip canonical */
  has(ip: string): boolean;
  /** The addresses as they are now; another set after each change. */
  readonly all: ReadonlySet<string>;
  /** @returns ends the subscription */
  subscribe(listener: () => void): () => void;
}

/**
 * What a caller dialled.
 * own: the socket's own address, right where nothing is redirected (static forward)
 * redirected: the address before netfilter rewrote it
 */
export type DestinationKind = 'own' | 'redirected';

export const defaultLimits = {
  connectTimeoutMs: 2000,
  dialBudgetMs: 15_000,
  keepAliveMs: 60_000,
  /** Below conntrack's 60 s for close-wait. */
  halfClosedMs: 50_000,
  resolveWaitMs: 5000,
};
export type DataPlaneLimits = Readonly<typeof defaultLimits>;

export interface DataPlaneOptions {
  /** `::` listens for both families where IPv6 is there, and for IPv4 alone where it is not. */
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  readonly routes: RouteReader;
  /** Makes the table know a caller that it does not know yet: bounded in time and number, never throws. */
  readonly awaitCaller: (ip: string) => Promise<boolean>;
  readonly destination: DestinationKind;
  readonly health: DialReport;
  /** Connections from these addresses are accepted and closed; absent: none. */
  readonly own?: OwnAddressSet | undefined;
  /** Connections at a time; one more is reset. */
  readonly maxConnections: number;
  /** The process's limit of open files; Infinity = none. */
  readonly openFiles: number;
  readonly logger: Logger;
  readonly limits?: Partial<DataPlaneLimits>;
}

/** What a data plane has done since it started. */
export interface ProxyCounters {
  readonly active: number;
  readonly served: number;
  readonly refused: number;
}

export interface DataPlane extends Part {
  /** The bound address; undefined before `start`. */
  readonly address: SocketAddress | undefined;
  readonly counters: ProxyCounters;
  /** Descriptor of its listening socket while it listens, the first where there are several; absent: none to give away. */
  readonly listener?: number | undefined;
  /** What each endpoint has carried, at most about a second old. */
  traffic(): readonly EndpointTraffic[];
  /** What carries the bytes, for the log: `2 workers`. */
  readonly kind: string;
}
