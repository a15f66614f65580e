import { messageOf } from '../../core/errors.ts';
import { type RouteChange, RouteTable } from '../../route/table.ts';
import { errnoName } from '../../sys/libc.ts';
import { fullText } from '../connection-limit.ts';
import type { DataPlaneLimits } from '../data-plane.ts';
import { Pickers } from '../pickers.ts';
import { Traffic } from '../traffic.ts';
import { Acceptor } from './acceptor.ts';
import { Connection } from './connection.ts';
import type { FrontContext, OpenConnection, ThreadParts, Turn } from './context.ts';
import { Counters } from './counters.ts';
import { DestinationReader } from './destination.ts';
import type { LaneParts } from './lane.ts';
import type { FrontReport, FrontSettings } from './messages.ts';
import { applyCopied } from './replica.ts';
import { Reports } from './reports.ts';
import { Sockaddrs } from './sockaddrs.ts';
import type { TimerWheel } from './timers.ts';
import { Waiting } from './waiting.ts';
import type { Watches } from './watches.ts';

/** One data plane's part in this thread: its listening socket, its copy of the route table, its connections. */
export class Front implements FrontContext {
  readonly lanes: LaneParts;
  readonly watches: Watches;
  readonly timers: TimerWheel;
  readonly clock: { readonly now: number };
  readonly runAgain: (turn: Turn) => void;
  readonly routes = new RouteTable();
  readonly pickers = new Pickers(this.routes);
  readonly traffic = new Traffic();
  readonly limits: DataPlaneLimits;
  readonly sockaddrs = new Sockaddrs();
  readonly waiting: Waiting;
  readonly reports: Reports;
  readonly #settings: FrontSettings;
  readonly #thread: ThreadParts;
  readonly #counters: Counters;
  readonly #acceptor: Acceptor;
  readonly #destinations: DestinationReader;
  readonly #connections = new Set<OpenConnection>();
  #ownAddresses: ReadonlySet<string>;
  #accepted = 0;
  #isFull = false;
  #isDraining = false;
  #trafficTold = 0;

  constructor(settings: FrontSettings, thread: ThreadParts) {
    const { counters, limits, listener, destination, front } = settings;
    this.#settings = settings;
    this.#thread = thread;
    this.lanes = thread.lanes;
    this.watches = thread.watches;
    this.timers = thread.timers;
    this.clock = thread.clock;
    this.runAgain = thread.runAgain;
    this.limits = limits;
    this.#counters = new Counters(counters, thread.thread);
    this.#ownAddresses = new Set(settings.ownAddresses);
    this.reports = new Reports(settings, this.#counters, thread.clock);
    this.waiting = new Waiting((ip) => thread.post({ kind: 'who-is', front, ip }));
    const { kernel } = thread.lanes;
    this.#destinations = new DestinationReader(kernel, this.sockaddrs, destination, listener);
    this.#acceptor = new Acceptor(listener, {
      ...thread,
      kernel,
      reports: this.reports,
      onAccepted: (fd) => this.#accept(fd),
      onShed: () => this.#counters.refused(),
    });
    this.applyRoutes(settings.routes);
  }

  begin(): void {
    const failed = this.#acceptor.begin();
    if (failed < 0) throw new Error(`the listening socket cannot be watched: ${errnoName(-failed)}`);
  }

  applyRoutes(changes: readonly RouteChange[]): void {
    for (const change of changes) {
      applyCopied(this.routes, change);
      if (change.kind === 'backend-gone') this.waiting.backendAnswered(change.key);
      if (change.kind === 'backend' && change.backend.isResolved) {
        this.waiting.backendAnswered(change.backend.key);
      }
    }
  }

  setOwnAddresses(addresses: readonly string[]): void {
    this.#ownAddresses = new Set(addresses);
  }

  stopListening(): void {
    this.#acceptor.stop();
  }

  /** Tells when the last connection has ended; at once where there is none. */
  drain(): void {
    this.#isDraining = true;
    if (this.#connections.size === 0) this.#tellIdle();
  }

  /** Resets every connection. */
  cutOff(): void {
    for (const connection of [...this.#connections]) connection.cutOff();
  }

  ended(connection: OpenConnection, isServed: boolean): void {
    if (!this.#connections.delete(connection)) return;
    this.#counters.closed(isServed);
    this.#isFull = false;
    if (this.#isDraining && this.#connections.size === 0) this.#tellIdle();
  }

  /** Sends what has gathered, with the counters where they have changed. */
  report(withTraffic: boolean): void {
    const report = this.reports.take();
    const rows = withTraffic ? this.#changedTraffic() : undefined;
    const news = report.lines.length + report.writtenCount + report.dials.length + report.lostLines;
    if (rows === undefined && news === 0) return;
    this.#thread.post(rows === undefined ? report : ({ ...report, traffic: rows } satisfies FrontReport));
  }

  /** Ends all that is left. */
  close(): void {
    this.stopListening();
    this.cutOff();
    this.report(true);
    this.pickers.stop();
  }

  #changedTraffic(): FrontReport['traffic'] | undefined {
    this.traffic.prune(this.routes);
    const rows = this.traffic.rows();
    let sum = rows.length;
    for (const row of rows) {
      sum += row.connections + row.active + row.bytesUp + row.bytesDown + row.failures;
    }
    if (sum === this.#trafficTold) return undefined;
    this.#trafficTold = sum;
    return rows;
  }

  #tellIdle(): void {
    this.report(true);
    this.#thread.post({ kind: 'idle', front: this.#settings.front });
  }

  /** Whatever goes wrong here is this one connection's fault. */
  #accept(fd: number): void {
    const { kernel } = this.lanes;
    const caller = this.sockaddrs.read(kernel.address, kernel.addressLength);
    if (this.#ownAddresses.has(caller.ip)) {
      kernel.close(fd);
      return;
    }
    if (this.#counters.allActive >= this.#settings.maxConnections) {
      this.#counters.refused();
      kernel.reset(fd);
      this.#tellFull();
      return;
    }
    const destination = this.#destinations.read(fd, caller.ip.includes(':') ? 6 : 4);
    if (typeof destination === 'number') {
      this.#counters.refused();
      kernel.reset(fd);
      const code = errnoName(destination);
      const fields = { caller: caller.ip, code };
      this.reports.line('warn', `refused ${caller.ip}: original destination: ${code}`, fields);
      return;
    }
    const connId = `${this.#thread.thread.toString(36)}-${(++this.#accepted).toString(36)}`;
    const connection = new Connection(this, {
      fd,
      connId,
      callerIp: caller.ip,
      callerPort: caller.port,
      destination,
    });
    this.#connections.add(connection);
    this.#counters.opened();
    try {
      connection.begin();
    } catch (fault) {
      this.faulted(connection, fault);
    }
  }

  /** An exception in one connection's handling closes that connection. */
  faulted(turn: Pick<Turn, 'abandon'>, fault: unknown): void {
    turn.abandon();
    const stack = fault instanceof Error ? fault.stack : undefined;
    this.reports.line('error', `internal fault: ${messageOf(fault)}`, { code: 'uncaughtException', stack });
  }

  #tellFull(): void {
    if (this.#isFull) return;
    this.#isFull = true;
    this.reports.line('error', fullText(this.#settings.maxConnections), { code: 'ERR_LIMIT' });
  }
}
