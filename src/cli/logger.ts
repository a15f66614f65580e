import { createLogger, format, transports } from 'winston';
import { AppError } from '../core/errors.ts';
import type { Logger, WrittenLines } from '../core/log.ts';
import { formatLine } from '../core/log-line.ts';
import type { LogLevel } from './command.ts';
import { LogOutput } from './log-output.ts';

/**
 * The program's log: readable lines on a terminal, else one JSON object a line
 * (`timestamp`, `level`, `message`, and the fields caller, backend, endpoint, connId, code …).
 */
export function makeLogger(level: LogLevel, to: 'stdout' | 'stderr' = 'stdout'): Logger {
  const lineFormat = process[to].isTTY === true ? 'readable' : 'json';
  const output = new LogOutput(process[to], (lines) => {
    logger.warn(`${lines} line(s) of the log are lost: it was not read`);
  });
  const logger = createLogger({
    level,
    format: format.combine(
      format.timestamp(),
      format.printf(({ timestamp, level, message, ...fields }) =>
        formatLine(lineFormat, String(timestamp), level, String(message), fields),
      ),
    ),
    transports: [new transports.Stream({ stream: output })],
    exitOnError: false,
  });
  const written: WrittenLines = { format: lineFormat, take: (lines) => void output.write(lines) };
  return Object.assign(logger, { written });
}

/** The one line that a failed start ends with: what, why, what to do. */
export function failureLine(thrown: unknown): string {
  if (thrown instanceof AppError) return `nuncio: ${thrown.message}`;
  return `nuncio: unexpected: ${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}`;
}
