import { hostNameFault } from '../backend/scanner.ts';
import { canonicalIp } from '../core/address.ts';
import {
  type Fault,
  type Field,
  type Framing,
  fault,
  listItems,
  passedOn,
  readFields,
  statedFraming,
} from './field-lines.ts';

/** A request as it is to be passed on. */
export interface RequestHead {
  readonly kind: 'request';
  readonly method: string;
  /** Origin form, or `*`. */
  readonly target: string;
  /** The authority as the client wrote it, for the Host field. */
  readonly authority: string;
  /** The authority's host: lower case, without port and final dot. */
  readonly domain: string;
  readonly isHttp11: boolean;
  readonly framing: Framing;
  /** Whether the client would go on using the connection. */
  readonly isKept: boolean;
  /** The protocols that the client would change to; absent where it would not, or may not. */
  readonly upgrade?: string;
  readonly acceptsTrailers: boolean;
  /** What X-Forwarded-For said so far; empty where nothing did. */
  readonly forwardedFor: string;
  /** X-Forwarded-Host, -Port and -Proto as they came, for a client that is trusted with them. */
  readonly forwarded: Partial<Record<'host' | 'port' | 'proto', string>>;
  /** The other field lines, `Name: value\r\n` each. */
  readonly fields: string;
}

/** Longer targets are refused with 414, bytes. */
const maxTarget = 16_384;
/** RFC 9112 3: one SP between the parts. The target has no control characters, spaces, fragment, or bytes above ASCII. */
const requestLine = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([!"$-~]+) HTTP\/(\d)\.(\d)$/;

/**
 * Reads the head of a request.
 *
 * @param text as latin1: request line and field lines, without the empty line at the end
 * @returns    a fault where anything about it is ambiguous or out of bounds
 * Source: RFC 9112 2, 3, 5, 6; RFC 9110 7.6, 10.1
 */
export function readRequestHead(text: string): RequestHead | Fault {
  const lines = text.split('\r\n');
  const first = lines[0] ?? '';
  const parts = requestLine.exec(first);
  if (parts === null) return requestLineFault(first);
  const [, method = '', rawTarget = '', major, minor] = parts;
  if (major !== '1' || (minor !== '0' && minor !== '1')) return fault(505, `HTTP/${major}.${minor}`);
  if (rawTarget.length > maxTarget) return fault(414, `a target of ${rawTarget.length} bytes`);
  const isHttp11 = minor === '1';
  const fields = readFields(lines, 1, 400);
  if ('kind' in fields) return fields;
  const framing = statedFraming(fields, isHttp11, 400) ?? { kind: 'none' };
  if (framing.kind === 'fault') return framing;
  const target = readTarget(method, rawTarget);
  if (target.kind === 'fault') return target;
  const host = theHost(fields, isHttp11, target.authority);
  if (typeof host !== 'string') return host;
  const domain = cachedDomainOf(host);
  if (domain === undefined) return fault(400, `Host ${JSON.stringify(host.slice(0, 80))}`);
  return {
    kind: 'request',
    method,
    target: target.path,
    authority: host,
    domain,
    isHttp11,
    framing,
    ...readOptions(fields, isHttp11, framing),
  };
}

/** What the fields say apart from framing and Host. */
function readOptions(fields: readonly Field[], isHttp11: boolean, framing: Framing) {
  let connection = '';
  let upgrade: string | undefined;
  let acceptsTrailers = false;
  let forwardedFor = '';
  const forwarded: { host?: string; port?: string; proto?: string } = {};
  for (const { key, value } of fields) {
    switch (key) {
      case 'connection':
        connection += `,${value}`;
        break;
      case 'upgrade':
        upgrade = upgrade === undefined ? value : `${upgrade}, ${value}`;
        break;
      case 'te':
        acceptsTrailers ||= listItems(value).includes('trailers');
        break;
      case 'x-forwarded-for':
        forwardedFor += forwardedFor === '' ? value : `, ${value}`;
        break;
      case 'x-forwarded-host':
        forwarded.host = value;
        break;
      case 'x-forwarded-port':
        forwarded.port = value;
        break;
      case 'x-forwarded-proto':
        forwarded.proto = value;
        break;
    }
  }
  const wishes = connection === '' ? [] : listItems(connection);
  const isKept = !wishes.includes('close') && (isHttp11 || wishes.includes('keep-alive'));
  // h2c would carry requests past this gateway's eyes, to wherever the client likes.
  const mayUpgrade =
    upgrade !== undefined &&
    isHttp11 &&
    framing.kind === 'none' &&
    wishes.includes('upgrade') &&
    listItems(upgrade).every((protocol) => !/^h2c?$|^http\//.test(protocol));
  const isDropped = (key: string) => dropped.has(key) || (key === 'expect' && !isHttp11);
  return {
    isKept,
    acceptsTrailers,
    forwardedFor,
    forwarded,
    fields: passedOn(fields, isDropped),
    ...(mayUpgrade && upgrade !== undefined ? { upgrade } : {}),
  };
}

/** Fields that the gateway writes itself. */
const dropped: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'http2-settings',
]);

function requestLineFault(line: string): Fault {
  const shown = JSON.stringify(line.slice(0, 40));
  if (/^PRI \* HTTP\/2/.test(line)) return fault(505, 'HTTP/2');
  return fault(400, `the request line ${shown}`);
}

type Target = { readonly kind: 'target'; readonly path: string; readonly authority?: string };

function readTarget(method: string, text: string): Target | Fault {
  if (method === 'CONNECT' || method === 'TRACE') return fault(405, method);
  if (text.startsWith('/')) return { kind: 'target', path: text };
  if (text === '*') {
    return method === 'OPTIONS' ? { kind: 'target', path: '*' } : fault(400, `the target "*" of ${method}`);
  }
  const absolute = /^https?:\/\/([^/?]+)([/?].*)?$/i.exec(text);
  if (absolute === null) return fault(400, `the target ${JSON.stringify(text.slice(0, 40))}`);
  const [, authority = '', rest] = absolute;
  if (rest === undefined) return { kind: 'target', path: method === 'OPTIONS' ? '*' : '/', authority };
  return { kind: 'target', path: rest.startsWith('/') ? rest : `/${rest}`, authority };
}

/** A target in absolute form replaces whatever Host says (RFC 9112 3.2.2), but Host must be in order all the same. */
function theHost(fields: readonly Field[], isHttp11: boolean, authority?: string): string | Fault {
  let host: string | undefined;
  for (const { key, value } of fields) {
    if (key !== 'host') continue;
    if (host !== undefined) return fault(400, 'more than one Host');
    host = value;
  }
  if (host === undefined && isHttp11) return fault(400, 'no Host');
  if (authority !== undefined) {
    if (host !== undefined && domainOf(host) === undefined) return fault(400, 'a Host that is none');
    return authority;
  }
  return host ?? fault(400, 'no Host, so no domain');
}

const authorityForm = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]@]+))(?::(\d{0,5}))?$/;

/** What `domainOf` has made of authorities: a few are asked for all the time. */
const knownDomains = new Map<string, string>();
const maxKnownDomains = 10_000;

function cachedDomainOf(authority: string): string | undefined {
  const known = knownDomains.get(authority);
  if (known !== undefined) return known;
  const domain = domainOf(authority);
  if (domain === undefined) return undefined;
  if (knownDomains.size >= maxKnownDomains) knownDomains.clear();
  knownDomains.set(authority, domain);
  return domain;
}

/** `blog.example.com` of `Blog.Example.com.:80`; undefined for what is no host, with or without a port. */
export function domainOf(authority: string): string | undefined {
  const parts = authorityForm.exec(authority);
  if (parts === null) return undefined;
  const [, v6, name = '', port = ''] = parts;
  if (port !== '' && Number(port) > 65_535) return undefined;
  if (v6 !== undefined) return canonicalIp(v6);
  if (canonicalIp(name) === undefined && hostNameFault(name) !== undefined) return undefined;
  const lower = name.toLowerCase();
  return lower.endsWith('.') ? lower.slice(0, -1) : lower;
}
