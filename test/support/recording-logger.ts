import type { LogFields, Logger } from '../../src/core/log.ts';

export interface LogLine {
  readonly level: keyof Logger;
  readonly message: string;
  readonly fields: LogFields;
}

/** A logger that keeps its lines and lets a test wait for one. */
export class RecordingLogger implements Logger {
  readonly lines: LogLine[] = [];
  readonly #waiting = new Set<() => void>();

  debug(message: string, fields?: LogFields): void {
    this.#take('debug', message, fields);
  }
  info(message: string, fields?: LogFields): void {
    this.#take('info', message, fields);
  }
  warn(message: string, fields?: LogFields): void {
    this.#take('warn', message, fields);
  }
  error(message: string, fields?: LogFields): void {
    this.#take('error', message, fields);
  }

  /** The messages of one level, in order. */
  at(level: keyof Logger): string[] {
    return this.lines.filter((line) => line.level === level).map((line) => line.message);
  }

  /** The first line, written already or yet to come, that fits. The test's own time limit bounds the wait. */
  async line(fits: (line: LogLine) => boolean): Promise<LogLine> {
    for (;;) {
      const found = this.lines.find(fits);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  #take(level: keyof Logger, message: string, fields: LogFields = {}): void {
    this.lines.push({ level, message, fields });
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resume of waiting) resume();
  }
}
