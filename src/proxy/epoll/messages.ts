/** What the main thread and a worker tell each other: plain data, in order. */
import type { LogFields } from '../../core/log.ts';
import type { LineFormat } from '../../core/log-line.ts';
import type { RouteChange } from '../../route/table.ts';
import type { DataPlaneLimits, DestinationKind } from '../data-plane.ts';
import type { EndpointTraffic } from '../traffic.ts';

/** A front is what one data plane is to a worker: a listening socket, a route table, limits. */
export interface FrontSettings {
  readonly front: number;
  /** A listening socket. It is the main thread's, which closes it when the worker is `deaf`. */
  readonly listener: number;
  /** Counters of all threads (`counters.ts`). */
  readonly counters: SharedArrayBuffer;
  readonly routes: readonly RouteChange[];
  readonly ownAddresses: readonly string[];
  readonly destination: DestinationKind;
  readonly limits: DataPlaneLimits;
  readonly maxConnections: number;
  /** Whether anybody reads lines of level info: one for each connection. */
  readonly logsInfo: boolean;
  /** How the main thread's logger takes lines that are written already; absent: it takes none. */
  readonly lineFormat?: LineFormat | undefined;
}

export type ToWorker =
  | { readonly kind: 'open'; readonly settings: FrontSettings }
  | { readonly kind: 'routes'; readonly front: number; readonly changes: readonly RouteChange[] }
  | { readonly kind: 'own-addresses'; readonly front: number; readonly addresses: readonly string[] }
  /** The answer to `who-is`: the table knows the address now, or nobody does. */
  | { readonly kind: 'looked-up'; readonly front: number; readonly ip: string }
  /** Accept nothing more: answered by `deaf`, and by `idle` when the last connection has ended. */
  | { readonly kind: 'drain'; readonly front: number }
  | { readonly kind: 'cut-off'; readonly front: number }
  /** Send the last report and forget the front: answered by `closed`. */
  | { readonly kind: 'close'; readonly front: number }
  | { readonly kind: 'end' };

export type LineLevel = 'debug' | 'info' | 'warn' | 'error';

export interface WorkerLine {
  readonly level: LineLevel;
  readonly message: string;
  readonly fields: LogFields;
}

/** What a dial has shown; without a code it succeeded. */
export interface DialNews {
  readonly ip: string;
  readonly port: number;
  readonly code?: string;
}

/** What has happened at a front since the last report. */
export interface FrontReport {
  readonly kind: 'report';
  readonly front: number;
  readonly lines: readonly WorkerLine[];
  /** Lines that are written already, one text for all: a string is copied between threads for a fraction of what objects cost. */
  readonly written: string;
  readonly writtenCount: number;
  /** Lines that were dropped because the main thread did not keep up. */
  readonly lostLines: number;
  readonly dials: readonly DialNews[];
  /** Every endpoint's counters since the worker began; absent: as told last. */
  readonly traffic?: readonly EndpointTraffic[];
}

export type FromWorker =
  | { readonly kind: 'ready' }
  | FrontReport
  | { readonly kind: 'who-is'; readonly front: number; readonly ip: string }
  | { readonly kind: 'deaf'; readonly front: number }
  | { readonly kind: 'idle'; readonly front: number }
  | { readonly kind: 'closed'; readonly front: number };

/** What a worker is born with. */
export interface WorkerBirth {
  /** Its number, from 1 on. */
  readonly thread: number;
  /** The eventfd that wakes it. */
  readonly wakeUp: number;
  readonly ledger: SharedArrayBuffer;
  readonly maxPipes: number;
}
