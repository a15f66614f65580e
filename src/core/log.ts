import type { LineFormat, LogFields } from './log-line.ts';

export type { LogFields } from './log-line.ts';

/** Lines of level info that somebody else has written in the logger's place: on another thread, where it costs nobody else time. */
export interface WrittenLines {
  readonly format: LineFormat;
  /** @param lines as `formatLine` writes them, each with its newline */
  take(lines: string): void;
}

/** What every room needs of a logger. The program hands in winston, a test its own. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** Whether lines of a level are read by anybody; absent: all are. */
  isLevelEnabled?(level: string): boolean;
  /** Absent: it takes none. */
  readonly written?: WrittenLines | undefined;
}

/** Whether to make lines that only say what goes as it should. */
export function isInfoWanted(logger: Logger): boolean {
  return logger.isLevelEnabled?.('info') ?? true;
}

/** For a room that is used without anybody listening. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
