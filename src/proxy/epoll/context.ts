import type { SocketAddress } from '../../core/address.ts';
import type { RouteTable } from '../../route/table.ts';
import type { DataPlaneLimits } from '../data-plane.ts';
import type { Pickers } from '../pickers.ts';
import type { Traffic } from '../traffic.ts';
import type { LaneParts } from './lane.ts';
import type { FromWorker } from './messages.ts';
import type { Reports } from './reports.ts';
import type { Sockaddrs } from './sockaddrs.ts';
import type { TimerWheel } from './timers.ts';
import type { Waiting } from './waiting.ts';
import type { Watches } from './watches.ts';

/** Something that has more to do than one turn. */
export interface Turn {
  pump(): void;
  /** After an exception of `pump`. */
  abandon(): void;
}

/** A connection as it was accepted. */
export interface Accepted {
  readonly fd: number;
  readonly connId: string;
  /** Canonical address of the caller. */
  readonly callerIp: string;
  readonly callerPort: number;
  /** What the caller dialled. */
  readonly destination: SocketAddress;
}

/** A connection as its front sees it. */
export interface OpenConnection extends Turn {
  /** Ends it because the ambassador ends. */
  cutOff(): void;
}

/** What the fronts of a thread share. */
export interface ThreadParts {
  /** Number of the thread, from 1 on. */
  readonly thread: number;
  readonly lanes: LaneParts;
  readonly watches: Watches;
  readonly timers: TimerWheel;
  readonly clock: { readonly now: number };
  readonly runAgain: (turn: Turn) => void;
  readonly post: (message: FromWorker) => void;
}

/** What a connection needs of the front that accepted it. */
export interface FrontContext
  extends Pick<ThreadParts, 'lanes' | 'watches' | 'timers' | 'clock' | 'runAgain'> {
  readonly routes: RouteTable;
  readonly pickers: Pickers;
  readonly traffic: Traffic;
  readonly limits: DataPlaneLimits;
  readonly sockaddrs: Sockaddrs;
  readonly waiting: Waiting;
  readonly reports: Reports;
  ended(connection: OpenConnection, isServed: boolean): void;
  faulted(turn: Pick<Turn, 'abandon'>, fault: unknown): void;
}
