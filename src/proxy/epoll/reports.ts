import type { SocketAddress } from '../../core/address.ts';
import { endpointKey } from '../../core/endpoint.ts';
import type { LogFields } from '../../core/log.ts';
import type { Counters } from './counters.ts';
import type { DialNews, FrontReport, LineLevel, WorkerLine } from './messages.ts';

/** How long news may wait for more, ms: a message costs as much as many lines. */
const gatherMs = 20;
/** So much does not wait. */
const mostGathered = 256;
/** Lines on their way to the main thread; more are dropped and counted. */
const mostUntakenLines = 20_000;
/** A success is told again after this long, ms, because the main thread forgets failures by it. */
const successMs = 1000;
/** Endpoints whose last success is remembered. */
const mostEndpoints = 10_000;

/** Gathers what a front has to tell the main thread. */
export class Reports {
  readonly #front: number;
  readonly #counters: Counters;
  readonly #clock: { readonly now: number };
  readonly #succeeded = new Map<string, number>();
  #lines: WorkerLine[] = [];
  #dials: DialNews[] = [];
  #lostLines = 0;
  #linesSent = 0;
  #due = Number.POSITIVE_INFINITY;
  /** Whether lines of level info are read by anybody. */
  readonly logsConnections: boolean;

  constructor(front: number, counters: Counters, clock: { readonly now: number }, logsConnections: boolean) {
    this.#front = front;
    this.#counters = counters;
    this.#clock = clock;
    this.logsConnections = logsConnections;
  }

  /** When the next report is to be sent, on the thread's clock; Infinity where there is nothing to tell. */
  get due(): number {
    return this.#due;
  }

  line(level: LineLevel, message: string, fields: LogFields): void {
    if (level === 'info' && !this.logsConnections) return;
    if (this.#linesSent + this.#lines.length - this.#counters.linesTaken >= mostUntakenLines) {
      this.#lostLines++;
      return;
    }
    this.#lines.push({ level, message, fields });
    this.#isNews(this.#lines.length >= mostGathered);
  }

  dialFailed({ ip, port }: SocketAddress, code: string): void {
    this.#succeeded.delete(endpointKey({ ip, port }));
    this.#dials.push({ ip, port, code });
    this.#isNews(true);
  }

  dialSucceeded({ ip, port }: SocketAddress): void {
    const key = endpointKey({ ip, port });
    const { now } = this.#clock;
    const last = this.#succeeded.get(key);
    if (last !== undefined && now - last < successMs) return;
    if (this.#succeeded.size >= mostEndpoints) this.#succeeded.clear();
    this.#succeeded.set(key, now);
    this.#dials.push({ ip, port });
    this.#isNews(false);
  }

  /** What has gathered, which is thereby taken. */
  take(): FrontReport {
    const report: FrontReport = {
      kind: 'report',
      front: this.#front,
      lines: this.#lines,
      lostLines: this.#lostLines,
      dials: this.#dials,
    };
    this.#linesSent += this.#lines.length;
    this.#lines = [];
    this.#dials = [];
    this.#lostLines = 0;
    this.#due = Number.POSITIVE_INFINITY;
    return report;
  }

  #isNews(isUrgent: boolean): void {
    if (isUrgent) this.#due = this.#clock.now;
    else if (this.#due === Number.POSITIVE_INFINITY) this.#due = this.#clock.now + gatherMs;
  }
}
