/**
 * The lines of a message's head: strict, so that this gateway and whoever stands behind it read the same message. What
 * RFC 9112 lets a recipient repair (bare LF, obs-fold, space before the colon) is refused: those repairs are what request
 * smuggling lives on.
 */

/** What is wrong with a message, with the status that says so. */
export interface Fault {
  readonly kind: 'fault';
  readonly status: number;
  /** For the log: what was found, against which rule. */
  readonly reason: string;
}

export interface Field {
  readonly name: string;
  /** The name in lower case. */
  readonly key: string;
  readonly value: string;
}

/** RFC 9110 5.6.2 */
export const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Everything but VCHAR, obs-text, SP, HTAB and whole CRLFs (RFC 9110 5.5, RFC 9112 2.2). */
const forbidden = /\r(?!\n)|(?<!\r)\n|[^\t\r\n -~\x80-\xff]/;

/** More fields than this are refused; HAProxy's tune.http.maxhdr is as much. */
export const maxFields = 101;

export function fault(status: number, reason: string): Fault {
  return { kind: 'fault', status, reason };
}

/**
 * Why a head, or the beginning of one, can never become a good one; undefined where it may.
 *
 * @param text as latin1; a CR at its very end may still get its LF
 */
export function forbiddenByte(text: string): string | undefined {
  const whole = text.endsWith('\r') ? text.slice(0, -1) : text;
  const found = forbidden.exec(whole)?.[0];
  if (found === undefined) return undefined;
  if (found === '\n') return 'a bare LF (RFC 9112 2.2)';
  return found === '\r'
    ? 'a bare CR (RFC 9112 2.2)'
    : `the control character 0x${found.charCodeAt(0).toString(16)}`;
}

/**
 * Reads field lines.
 *
 * @param lines  without their CRLF
 * @param from   index of the first one
 * @param status of the fault: 400 for a request, 502 for a response
 */
export function readFields(lines: readonly string[], from: number, status: number): readonly Field[] | Fault {
  const fields: Field[] = [];
  if (lines.length - from > maxFields) {
    return fault(status === 400 ? 431 : status, `more than ${maxFields} header fields`);
  }
  for (let index = from; index < lines.length; index++) {
    const line = lines[index] ?? '';
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    if (colon < 1 || !token.test(name)) return fault(status, lineFault(line));
    fields.push({ name, key: name.toLowerCase(), value: trimmed(line, colon + 1) });
  }
  return fields;
}

function lineFault(line: string): string {
  if (line === '') return 'an empty line among the header fields';
  if (line.startsWith(' ') || line.startsWith('\t')) return 'a folded header line (RFC 9112 5.2)';
  const shown = JSON.stringify(line.slice(0, 40));
  if (!line.includes(':')) return `a header line without a colon: ${shown}`;
  if (/^[^:]*[ \t]:/.test(line)) return `white space before a header's colon (RFC 9112 5.1): ${shown}`;
  return `no header name: ${shown}`;
}

/** Without the SP and HTAB around it; `String.trim` would take more than these. */
function trimmed(line: string, from: number): string {
  let start = from;
  let end = line.length;
  while (start < end && isBlank(line.charCodeAt(start))) start++;
  while (end > start && isBlank(line.charCodeAt(end - 1))) end--;
  return line.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}

/** The items of a comma list, in lower case; empty ones are left out (RFC 9110 5.6.1.2). */
export function listItems(value: string): readonly string[] {
  return value
    .toLowerCase()
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** Fields of one connection, not of the message; never passed on (RFC 9110 7.6.1). */
export const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'transfer-encoding',
  'upgrade',
]);

/** The field lines that are passed on: `Name: value\r\n` each. */
export function passedOn(fields: readonly Field[], isDropped: (key: string) => boolean): string {
  const nominated = new Set<string>();
  for (const { key, value } of fields) {
    if (key === 'connection') for (const name of listItems(value)) nominated.add(name);
  }
  let text = '';
  for (const { name, key, value } of fields) {
    if (hopByHop.has(key) || nominated.has(key) || isDropped(key)) continue;
    text += `${name}: ${value}\r\n`;
  }
  return text;
}

/** How a message's body is delimited (RFC 9112 6.3). */
export type Framing =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' }
  /** Responses only. */
  | { readonly kind: 'until-close' };

/**
 * What Transfer-Encoding and Content-Length say together; undefined where neither is there.
 *
 * Both, several of either, a list, or a coding other than `chunked` alone: refused, whichever of the readings might be
 * meant (RFC 9112 6.1, 6.3).
 */
export function statedFraming(
  fields: readonly Field[],
  isHttp11: boolean,
  status: number,
): Framing | Fault | undefined {
  let coding: string | undefined;
  let length: string | undefined;
  for (const { key, value } of fields) {
    if (key === 'transfer-encoding') {
      if (coding !== undefined) return fault(status, 'more than one Transfer-Encoding');
      coding = value;
    } else if (key === 'content-length') {
      if (length !== undefined) return fault(status, 'more than one Content-Length');
      length = value;
    }
  }
  if (coding === undefined) {
    if (length === undefined) return undefined;
    if (!/^\d{1,15}$/.test(length)) {
      return fault(status, `Content-Length ${JSON.stringify(length.slice(0, 40))}`);
    }
    const bytes = Number(length);
    return bytes === 0 ? { kind: 'none' } : { kind: 'length', bytes };
  }
  if (length !== undefined) return fault(status, 'Transfer-Encoding and Content-Length together');
  if (!isHttp11) return fault(status, 'Transfer-Encoding in an HTTP/1.0 message (RFC 9112 6.1)');
  if (coding.toLowerCase() === 'chunked') return { kind: 'chunked' };
  const items = listItems(coding);
  const isKnown =
    items.length > 1 && items.every((item) => /^(x-)?(gzip|compress)$|^deflate$|^chunked$/.test(item));
  const isLast = items.indexOf('chunked') === items.length - 1;
  const code = status === 400 && isKnown && isLast ? 501 : status;
  return fault(code, `Transfer-Encoding ${JSON.stringify(coding.slice(0, 40))}`);
}
