/** Fields of a log line; the fixed names are caller, backend, endpoint, connId, code. */
export type LogFields = Readonly<Record<string, unknown>>;

/** What every room needs of a logger. The program hands in winston, a test its own. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** Whether lines of a level are read by anybody; absent: all are. */
  isLevelEnabled?(level: string): boolean;
}

/** Whether to make lines that only say what goes as it should. */
export function isInfoWanted(logger: Logger): boolean {
  return logger.isLevelEnabled?.('info') ?? true;
}

/** For a room that is used without anybody listening. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
