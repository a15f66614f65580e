import { createLogger, format, transports, type Logger as Winston } from 'winston';
import { AppError } from '../core/errors.ts';
import type { LogLevel } from './command.ts';
import { LogOutput } from './log-output.ts';

/** `caller=web-1 endpoint=10.0.0.5:80`; a text with spaces in quotes. */
function fieldText(fields: Readonly<Record<string, unknown>>): string {
  return Object.entries(fields)
    .map(([name, value]) => {
      const text = typeof value === 'string' ? value : JSON.stringify(value);
      return ` ${name}=${typeof value === 'string' && /[\s"]/.test(text) ? JSON.stringify(text) : text}`;
    })
    .join('');
}

/** For a person: the time of day, the level, the message, then the fields. */
const readable = format.printf(({ level, message, timestamp, ...fields }) => {
  return `${String(timestamp).slice(11, 23)} ${level.padEnd(5)} ${message}${fieldText(fields)}`;
});

const json = format.printf(({ timestamp, level, message, ...fields }) =>
  JSON.stringify({ timestamp, level, message, ...fields }),
);

/**
 * The program's log: readable lines on a terminal, else one JSON object a line
 * (`timestamp`, `level`, `message`, and the fields caller, backend, endpoint, connId, code …).
 */
export function makeLogger(level: LogLevel, to: 'stdout' | 'stderr' = 'stdout'): Winston {
  const isTerminal = process[to].isTTY === true;
  const output = new LogOutput(process[to], (lines) => {
    logger.warn(`${lines} line(s) of the log are lost: it was not read`);
  });
  const logger = createLogger({
    level,
    format: format.combine(format.timestamp(), isTerminal ? readable : json),
    transports: [new transports.Stream({ stream: output })],
    exitOnError: false,
  });
  return logger;
}

/** The one line that a failed start ends with: what, why, what to do. */
export function failureLine(thrown: unknown): string {
  if (thrown instanceof AppError) return `nuncio: ${thrown.message}`;
  return `nuncio: unexpected: ${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}`;
}
