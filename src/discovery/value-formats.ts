import { Scanner } from '../backend/scanner.ts';
import { canonicalIp, formatHostPort, isUnspecified, parsePort } from '../core/address.ts';
import { AppError } from '../core/errors.ts';
import type { NamedEndpoint } from './named-endpoint.ts';

/** What one stored text says. `none`: an entry that is in order, but no TCP endpoint; nobody needs to be told. */
export type Reading =
  | { readonly kind: 'endpoint'; readonly endpoint: NamedEndpoint }
  | { readonly kind: 'none' }
  | { readonly kind: 'unreadable'; readonly reason: string };

/** Longer texts are left unread: the longest that a known writer stores is a container's environment. */
const maxLength = 65_536;
const maxNameLength = 255;
const maxTags = 64;
/** 16 bits, as in an SRV record (RFC 2782). */
const maxWeight = 65_535;

/**
 * Reads one stored text: `host:port`, or a JSON document with an address and a port.
 *
 * @param name what to call the endpoint; empty = its host
 */
export function readValue(text: string, name: string): Reading {
  if (text.length > maxLength) return unreadable(`longer than ${maxLength} characters`);
  const trimmed = text.trim();
  if (trimmed === '') return unreadable('expected host:port or a JSON object, found nothing');
  try {
    return trimmed.startsWith('{') ? readDocument(trimmed, name) : named(readHostPort(trimmed), name);
  } catch (thrown) {
    if (thrown instanceof AppError) return unreadable(thrown.message);
    throw thrown;
  }
}

/** The endpoint that a key's last segment is in dynamic-ambassador's older form, `…/<ip>:<port>`; else undefined. */
export function readKeySegment(segment: string): Reading | undefined {
  if (segment.length > maxNameLength || !/:\d{1,5}$/.test(segment)) return undefined;
  const ip = segment.slice(0, segment.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1');
  return canonicalIp(ip) === undefined ? undefined : readValue(segment, '');
}

/** An endpoint's name as log lines can carry it. */
export function printableName(text: string): string {
  return text.slice(0, maxNameLength).replace(/\p{Cc}/gu, '?');
}

function unreadable(reason: string): Reading {
  return { kind: 'unreadable', reason };
}

type Address = Pick<NamedEndpoint, 'host' | 'port'>;

function named(address: Address, name: string, rest: Partial<NamedEndpoint> = {}): Reading {
  const endpoint = {
    ...address,
    name: name === '' ? address.host : printableName(name),
    weight: 1,
    priority: 0,
    tags: [],
    ...rest,
  };
  return { kind: 'endpoint', endpoint };
}

function readHostPort(text: string): Address {
  const scanner = new Scanner(text);
  const address = scanner.hostPort();
  scanner.expectEnd('the end after the port');
  return dialable(address);
}

function dialable(address: Address): Address {
  if (canonicalIp(address.host) === undefined || !isUnspecified(address.host)) return address;
  throw fault(`${formatHostPort(address.host, address.port)} is every address of a machine, not one to dial`);
}

/**
 * A document of docker-register or SkyDNS (`host`, `port`), or of embassy's service-registrar, where `host` is a
 * machine's name, `ipaddress` its address, and `port` the container's own, published as `host_port`.
 */
function readDocument(text: string, name: string): Reading {
  const fields = parseObject(text);
  if (isUdp(fields.get('proto'))) return { kind: 'none' };
  const [hostField] = present(fields, ['ipaddress', 'host']);
  const [portField] = present(fields, ['host_port', 'port']);
  if (hostField === undefined) throw fault('expected "host" or "ipaddress" in the document, found neither');
  if (portField === undefined) throw fault('expected "port" or "host_port" in the document, found neither');
  const host = readHost(hostField, fields.get(hostField));
  const port = readPort(portField, fields.get(portField));
  return named(dialable({ host, port }), name, {
    weight: bounded(fields.get('weight')) ?? 1,
    priority: bounded(fields.get('priority')) ?? 0,
    tags: readTags(fields.get('tags')),
  });
}

function parseObject(text: string): ReadonlyMap<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // The engine's own message quotes the text at any length.
    throw fault(`expected a JSON object, found ${shown(text)}`);
  }
  // A map, so that no field is ever looked up on a prototype.
  return new Map(Object.entries(parsed as object));
}

function present(fields: ReadonlyMap<string, unknown>, names: readonly string[]): string[] {
  return names.filter((name) => (fields.get(name) ?? undefined) !== undefined);
}

function readHost(field: string, value: unknown): string {
  if (typeof value !== 'string') throw fault(`"${field}": expected a host, found ${shown(value)}`);
  const ip = value.includes('%') ? undefined : canonicalIp(value);
  if (ip !== undefined) return ip;
  try {
    const scanner = new Scanner(value);
    const host = scanner.host();
    scanner.expectEnd('the end after the host');
    return host;
  } catch (thrown) {
    if (thrown instanceof AppError) throw fault(`"${field}": ${thrown.message}`);
    throw thrown;
  }
}

function readPort(field: string, value: unknown): number {
  const port = typeof value === 'string' || typeof value === 'number' ? parsePort(`${value}`) : undefined;
  if (port === undefined) throw fault(`"${field}": expected a port (1 to 65535), found ${shown(value)}`);
  return port;
}

/** A weight or priority within its bounds; undefined for what is no number. */
function bounded(value: unknown): number | undefined {
  const digits = typeof value === 'string' && /^\d{1,9}$/.test(value);
  const number = digits || typeof value === 'number' ? Number(value) : Number.NaN;
  return Number.isNaN(number) ? undefined : Math.min(maxWeight, Math.max(0, Math.trunc(number)));
}

function readTags(value: unknown): readonly string[] {
  if (!Array.isArray(value)) return [];
  return value
    .slice(0, maxTags)
    .filter((tag): tag is string => typeof tag === 'string' && tag.length <= maxNameLength);
}

function isUdp(value: unknown): boolean {
  return typeof value === 'string' && value.toLowerCase() === 'udp';
}

function fault(message: string): AppError {
  return new AppError('ERR_RESOLVE_FAILED', message);
}

/** A value as a reason may quote it: short, whatever it is. */
function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 24 ? `${value.slice(0, 24)}…` : value);
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object';
  return String(value);
}
