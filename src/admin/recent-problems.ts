import type { LogFields, Logger, WrittenLines } from '../core/log.ts';
import type { Problem } from './status.ts';

/** Different problems that are kept, and characters of each. */
const most = 100;
const maxMessage = 500;

interface Kept {
  readonly level: Problem['level'];
  readonly message: string;
  readonly code: string | undefined;
  readonly firstMs: number;
  lastMs: number;
  count: number;
}

/**
 * The program's log, with the latest warnings and errors kept for the status page: refused connections, ejected
 * endpoints, sources that fail. Equal lines are one entry with a count; the one that came longest ago goes first.
 */
export class RecentProblems implements Logger {
  readonly #to: Logger;
  readonly #now: () => number;
  /** In the order in which they came last. */
  readonly #kept = new Map<string, Kept>();
  readonly #counts = { warn: 0, error: 0 };

  /** @param now epoch ms */
  constructor(to: Logger, now: () => number = Date.now) {
    this.#to = to;
    this.#now = now;
  }

  debug(message: string, fields?: LogFields): void {
    this.#to.debug(message, fields);
  }

  info(message: string, fields?: LogFields): void {
    this.#to.info(message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.#keep('warn', message, fields);
    this.#to.warn(message, fields);
  }

  error(message: string, fields?: LogFields): void {
    this.#keep('error', message, fields);
    this.#to.error(message, fields);
  }

  isLevelEnabled(level: string): boolean {
    return this.#to.isLevelEnabled?.(level) ?? true;
  }

  /** Of level info, so none of them is a problem. */
  get written(): WrittenLines | undefined {
    return this.#to.written;
  }

  /** How many lines there have been of each level, also those that are not kept any more. */
  get counts(): Readonly<Record<Problem['level'], number>> {
    return { ...this.#counts };
  }

  /** The latest first. */
  list(): readonly Problem[] {
    return [...this.#kept.values()].reverse().map(({ level, message, code, firstMs, lastMs, count }) => ({
      level,
      message,
      ...(code === undefined ? {} : { code }),
      first: firstMs,
      last: lastMs,
      count,
    }));
  }

  #keep(level: Problem['level'], text: string, fields: LogFields | undefined): void {
    this.#counts[level]++;
    const message = text.length > maxMessage ? `${text.slice(0, maxMessage - 1)}…` : text;
    const key = `${level} ${message}`;
    const nowMs = this.#now();
    const code = fields?.code;
    const kept = this.#kept.get(key) ?? {
      level,
      message,
      code: typeof code === 'string' ? code : undefined,
      firstMs: nowMs,
      lastMs: nowMs,
      count: 0,
    };
    kept.count++;
    kept.lastMs = nowMs;
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > most && oldest !== undefined) this.#kept.delete(oldest);
  }
}
