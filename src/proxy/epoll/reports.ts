import type { SocketAddress } from '../../core/address.ts';
import { endpointKey } from '../../core/endpoint.ts';
import type { LogFields } from '../../core/log.ts';
import { formatLine } from '../../core/log-line.ts';
import type { Counters } from './counters.ts';
import type { DialNews, FrontReport, FrontSettings, LineLevel, WorkerLine } from './messages.ts';

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
  readonly #lineFormat: FrontSettings['lineFormat'];
  #lines: WorkerLine[] = [];
  #written: string[] = [];
  #stampedAt = Number.NaN;
  #stamp = '';
  #dials: DialNews[] = [];
  #lostLines = 0;
  #linesSent = 0;
  #due = Number.POSITIVE_INFINITY;
  /** Whether lines of level info are read by anybody. */
  readonly logsInfo: boolean;

  constructor(
    { front, logsInfo, lineFormat }: Pick<FrontSettings, 'front' | 'logsInfo' | 'lineFormat'>,
    counters: Counters,
    clock: { readonly now: number },
  ) {
    this.#front = front;
    this.#counters = counters;
    this.#clock = clock;
    this.#lineFormat = lineFormat;
    this.logsInfo = logsInfo;
  }

  /** When the next report is to be sent, on the thread's clock; Infinity where there is nothing to tell. */
  get due(): number {
    return this.#due;
  }

  line(level: LineLevel, message: string, fields: LogFields): void {
    if (level === 'info' && !this.logsInfo) return;
    if (this.#isFull()) return;
    this.#lines.push({ level, message, fields });
    this.#isNews(this.#lines.length >= mostGathered);
  }

  /** The line of a connection that has ended: there may be tens of thousands a second. */
  connection(fields: LogFields): void {
    const format = this.#lineFormat;
    if (format === undefined) {
      this.line('info', 'connection', fields);
      return;
    }
    if (!this.logsInfo || this.#isFull()) return;
    this.#written.push(`${formatLine(format, this.#timestamp(), 'info', 'connection', fields)}\n`);
    this.#isNews(this.#written.length >= mostGathered);
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
      written: this.#written.join(''),
      writtenCount: this.#written.length,
      lostLines: this.#lostLines,
      dials: this.#dials,
    };
    this.#linesSent += this.#gathered;
    this.#lines = [];
    this.#written = [];
    this.#dials = [];
    this.#lostLines = 0;
    this.#due = Number.POSITIVE_INFINITY;
    return report;
  }

  /** Now, in ISO form: made once a millisecond, because it costs as much as the rest of a line. */
  #timestamp(): string {
    const ms = Date.now();
    if (ms !== this.#stampedAt) {
      this.#stampedAt = ms;
      this.#stamp = new Date(ms).toISOString();
    }
    return this.#stamp;
  }

  get #gathered(): number {
    return this.#lines.length + this.#written.length;
  }

  /** Whether one more line is too many; it is then counted as lost. */
  #isFull(): boolean {
    const untaken = this.#linesSent + this.#gathered - this.#counters.linesTaken;
    if (untaken < mostUntakenLines) return false;
    this.#lostLines++;
    return true;
  }

  #isNews(isUrgent: boolean): void {
    if (isUrgent) this.#due = this.#clock.now;
    else if (this.#due === Number.POSITIVE_INFINITY) this.#due = this.#clock.now + gatherMs;
  }
}
