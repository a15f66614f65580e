/**
 * Files as a source: a list of endpoints that somebody writes, followed while it is rewritten.
 *
 *     10.0.0.5:6379                            # one a line; comments and blank lines are passed over
 *     redis-2:6379 weight=2 priority=1 tags=prod,eu
 *
 * or JSON: `["10.0.0.5:6379", {"host": "redis-2", "port": 6379, "weight": 2, "priority": 1, "tags": ["prod"]}]`.
 * An empty file, and `[]`, are a list without endpoints.
 *
 *     parseEndpointList('10.0.0.5:6379\n')     // { ok: true, value: [{ host: '10.0.0.5', port: 6379, … }] }
 *
 * list.ts is the format, read.ts the file and who may read it, folder-changes.ts when to look again; ../file.ts joins them.
 */
import { hostNameFault, Scanner } from '../../backend/scanner.ts';
import { canonicalIp, parsePort } from '../../core/address.ts';
import { AppError } from '../../core/errors.ts';
import { nearestWord } from '../../core/nearest.ts';
import { fail, ok, type Result } from '../../core/result.ts';
import type { NamedEndpoint } from '../named-endpoint.ts';

/** A list that is longer was not meant to be one; each name costs a look-up of its own. */
const maxEndpoints = 10_000;

type Draft = { -readonly [K in keyof NamedEndpoint]: NamedEndpoint[K] };

/** Takes a value in; returns what was expected where it does not fit. */
type Take = (draft: Draft, value: unknown) => string | undefined;

const number =
  (set: (draft: Draft, value: number) => void): Take =>
  (draft, value) => {
    const text = typeof value === 'number' ? String(value) : value;
    if (typeof text !== 'string' || !/^\d{1,5}$/.test(text) || Number(text) > 65_535) return '0 to 65535';
    set(draft, Number(text));
    return undefined;
  };

/** What may be said of an endpoint besides its address. */
const properties: Readonly<Record<string, Take>> = {
  weight: number((draft, value) => {
    draft.weight = value;
  }),
  priority: number((draft, value) => {
    draft.priority = value;
  }),
  tags: (draft, value) => {
    const tags: unknown[] = typeof value === 'string' ? value.split(',') : Array.isArray(value) ? value : [0];
    const texts = tags.filter((tag) => typeof tag === 'string' && tag !== '') as string[];
    if (texts.length < tags.length) return 'tags such as prod,eu';
    draft.tags = texts;
    return undefined;
  },
};

/**
 * Reads the text of a list.
 *
 * @returns ERR_RESOLVE_FAILED with the line and column, or the entry of the array, and what was expected there; one fault
 *          refuses the whole, as it may be half of what is being written
 */
export function parseEndpointList(text: string): Result<readonly NamedEndpoint[]> {
  const content = text.replace(/^\uFEFF/, '');
  try {
    // A line may begin with "[", too: an IPv6 address in brackets.
    return ok(
      bounded(/^\s*(?:\{|\[\s*["{\]]|\[\s*$)/.test(content) ? fromJson(content) : fromLines(content)),
    );
  } catch (thrown) {
    if (thrown instanceof AppError) return fail(thrown);
    throw thrown;
  }
}

function fault(where: string, message: string, column?: number): AppError {
  const details = column === undefined ? {} : { column };
  return new AppError('ERR_RESOLVE_FAILED', `${where}${message}`, details);
}

function bounded(list: readonly NamedEndpoint[]): readonly NamedEndpoint[] {
  if (list.length <= maxEndpoints) return list;
  throw fault('', `${list.length} endpoints are more than the ${maxEndpoints} that a file may list`);
}

const show = (value: unknown) => {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
};

function fromLines(text: string): NamedEndpoint[] {
  const list: NamedEndpoint[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const [address, ...words] = [...line.replace(/(^|\s)#.*/, '').matchAll(/\S+/g)];
    if (address === undefined) continue;
    const where = `line ${index + 1}, `;
    const draft = fromText(where, address[0], address.index);
    for (const { 0: word, index: at } of words) {
      const [, key = word, value] = /^([^=]*)=(.*)$/.exec(word) ?? [];
      const expected = apply(draft, key, value);
      if (expected !== undefined) {
        throw fault(where, `column ${at + 1}: expected ${expected}, found ${show(word)}`, at + 1);
      }
    }
    list.push(draft);
  }
  return list;
}

/** @param at where the text begins in its line, 0-based */
function fromText(where: string, text: string, at = 0): Draft {
  try {
    const scanner = new Scanner(`${' '.repeat(at)}${text}`);
    const { host, port } = scanner.hostPort();
    scanner.expectEnd('a space, or the end of the line, after the port');
    return { host, port, name: host, weight: 1, priority: 0, tags: [] };
  } catch (thrown) {
    if (thrown instanceof AppError) throw fault(where, thrown.message, thrown.column);
    throw thrown;
  }
}

function apply(draft: Draft, key: string, value: unknown): string | undefined {
  const take = Object.hasOwn(properties, key) ? properties[key] : undefined;
  if (take !== undefined) {
    const expected = take(draft, value);
    return expected === undefined ? undefined : `${expected} for ${key}`;
  }
  const near = nearestWord(key, Object.keys(properties));
  return `one of ${Object.keys(properties).join(', ')}${near === undefined ? '' : ` (did you mean ${near}?)`}`;
}

function fromJson(text: string): NamedEndpoint[] {
  const json = parsed(text);
  if (!Array.isArray(json)) throw fault('', `expected an array of endpoints, found ${show(json)}`);
  return json.map((entry: unknown, index) => {
    const where = `entry ${index + 1}: `;
    return typeof entry === 'string' ? fromText(where, entry) : fromObject(where, entry);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw fault('', `it is no JSON (${why})`);
  }
}

function fromObject(where: string, entry: unknown): NamedEndpoint {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) {
    throw fault(where, `expected "host:port" or an object, found ${show(entry)}`);
  }
  const { host, port, ...rest } = entry as Record<string, unknown>;
  const text = typeof host === 'string' ? host : '';
  const ip = canonicalIp(text.replace(/^\[(.*)\]$/, '$1'));
  const isName = text !== '' && hostNameFault(text) === undefined;
  if (ip === undefined && !isName)
    throw fault(where, `expected a host name or IP address, found ${show(host)}`);
  const number = parsePort(String(port));
  if (number === undefined) throw fault(where, `expected a port (1 to 65535), found ${show(port)}`);
  const name = ip ?? text.toLowerCase();
  const draft: Draft = { host: name, port: number, name, weight: 1, priority: 0, tags: [] };
  for (const [key, value] of Object.entries(rest)) {
    const expected = apply(draft, key, value);
    if (expected !== undefined) {
      throw fault(where, `expected ${expected}, found ${show(key)}: ${show(value)}`);
    }
  }
  return draft;
}
