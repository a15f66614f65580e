/** A line of the log, as the logger writes it, and worker threads in its place. */

/** Fields of a log line; the fixed names are caller, backend, endpoint, connId, code. */
export type LogFields = Readonly<Record<string, unknown>>;

/** json: one object a line. readable: for a person at a terminal. */
export type LineFormat = 'json' | 'readable';

/** @param timestamp in ISO form */
export function formatLine(
  format: LineFormat,
  timestamp: string,
  level: string,
  message: string,
  fields: LogFields,
): string {
  if (format === 'readable') {
    return `${timestamp.slice(11, 23)} ${level.padEnd(5)} ${message}${fieldText(fields)}`;
  }
  // An object of both would have to be made first, which costs more than to write it.
  const rest = JSON.stringify(fields).slice(1);
  const comma = rest === '}' ? '' : ',';
  return `{"timestamp":"${timestamp}","level":"${level}","message":${JSON.stringify(message)}${comma}${rest}`;
}

/** `caller=web-1 endpoint=10.0.0.5:80`; a text with spaces in quotes. */
function fieldText(fields: LogFields): string {
  return Object.entries(fields)
    .map(([name, value]) => {
      const text = typeof value === 'string' ? value : JSON.stringify(value);
      return ` ${name}=${typeof value === 'string' && /[\s"]/.test(text) ? JSON.stringify(text) : text}`;
    })
    .join('');
}
