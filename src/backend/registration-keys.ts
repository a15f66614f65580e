/**
 * How applications and services are written down in a registry: what the registration writes and the gateway reads. Pure.
 *
 * etcd, below a prefix that may be empty; the value is `ip:port`:
 *
 *     /apps/<domain>/<id>                    also /applications/<domain>/<id>
 *     /services/<name>/<port>/<id>
 *
 * dynamic-ambassador's own documents put `ip:port` as one segment more, after the id; that is read, and not written.
 *
 * Consul, in its catalog: an application is a service of the domain's name with the tag `nuncio-app`; a service has its
 * own name and a tag `nuncio-service=<port>` for the port that callers dial. Address and port are the endpoint's.
 */
import { canonicalIp, parsePort } from '../core/address.ts';
import { hostNameFault } from './scanner.ts';

export type Registered =
  /** `domain` in lower case: `blog.example.com`, `*.example.com`. */
  | { readonly kind: 'application'; readonly domain: string }
  | { readonly kind: 'service'; readonly name: string; readonly port: number };

/** The roots of both kinds below the prefix; the first one of applications is the one that is written. */
export const applicationRoots = ['/apps', '/applications'] as const;
export const serviceRoot = '/services';

const maxIdLength = 255;

/** Why a text is no domain of an application, completing "expected …"; undefined where it is one. */
export function domainFault(text: string): string | undefined {
  const name = text.startsWith('*.') ? text.slice(2) : text;
  if (name.endsWith('.') || name === '') return 'a domain such as blog.example.com or *.example.com';
  if (canonicalIp(name) !== undefined && name === text) return undefined;
  return hostNameFault(name) === undefined ? undefined : 'a domain such as blog.example.com or *.example.com';
}

/** Why a text is no name of a service; undefined where it is one. Docker's rule for containers, which give the names. */
export function serviceNameFault(text: string): string | undefined {
  return /^[a-z0-9][a-z0-9_.-]{0,254}$/i.test(text) ? undefined : 'the name of a container or service';
}

/** The folder of what is registered: `/apps/blog.example.com`, `/services/mysql/3306`. */
export function registeredPath(prefix: string, registered: Registered): string {
  return registered.kind === 'application'
    ? `${prefix}${applicationRoots[0]}/${registered.domain}`
    : `${prefix}${serviceRoot}/${registered.name}/${registered.port}`;
}

/** The key of one endpoint. @param id tells the endpoints apart, without a slash: a container's id */
export function registrationKey(prefix: string, registered: Registered, id: string): string {
  return `${registeredPath(prefix, registered)}/${id}`;
}

export type KeyReading =
  | {
      readonly kind: 'endpoint';
      readonly registered: Registered;
      readonly id: string;
      /** Of the older form: `10.0.0.5:49153` after the id. */
      readonly address?: string;
    }
  /** Somebody else's key, or a mistake. */
  | { readonly kind: 'unreadable'; readonly reason: string }
  /** A folder, or a marker that says nothing of an endpoint. */
  | { readonly kind: 'none' };

/**
 * Reads a key.
 *
 * @param root the root that it stands below: `/apps`
 * @param key  below the root, without a leading slash: `blog.example.com/0a1b2c`
 */
export function readRegistrationKey(root: string, key: string): KeyReading {
  if (key === '' || key.endsWith('/')) return { kind: 'none' };
  const segments = key.split('/');
  return root === serviceRoot ? readServiceKey(segments) : readApplicationKey(segments);
}

function readApplicationKey([domain = '', ...rest]: readonly string[]): KeyReading {
  const lower = domain.toLowerCase();
  const fault = domainFault(lower);
  if (fault !== undefined) return unreadable(`expected ${fault}, found ${shown(domain)}`);
  return endpointOf({ kind: 'application', domain: lower }, rest, '<domain>/<id>');
}

function readServiceKey([name = '', portText = '', ...rest]: readonly string[]): KeyReading {
  const fault = serviceNameFault(name);
  if (fault !== undefined) return unreadable(`expected ${fault}, found ${shown(name)}`);
  const port = parsePort(portText);
  if (port === undefined) {
    return unreadable(`expected a port (1 to 65535) after the service's name, found ${shown(portText)}`);
  }
  return endpointOf({ kind: 'service', name, port }, rest, '<name>/<port>/<id>');
}

function endpointOf(registered: Registered, rest: readonly string[], shape: string): KeyReading {
  const [id = '', address, ...more] = rest;
  if (id === '' || id.length > maxIdLength || more.length > 0) {
    return unreadable(`expected a key of the shape ${shape}, found ${rest.length} segment(s) at its end`);
  }
  return { kind: 'endpoint', registered, id, ...(address === undefined ? {} : { address }) };
}

function unreadable(reason: string): KeyReading {
  return { kind: 'unreadable', reason };
}

function shown(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}

const applicationTag = 'nuncio-app';
const serviceTag = 'nuncio-service=';

/** The name and the tag that Consul's catalog has it under. */
export function consulName(registered: Registered): { readonly name: string; readonly tag: string } {
  return registered.kind === 'application'
    ? { name: registered.domain, tag: applicationTag }
    : { name: registered.name, tag: `${serviceTag}${registered.port}` };
}

/**
 * What a service of Consul's catalog is here, by its tags; tags of others say nothing.
 *
 * @returns each meaning, or why a tag of ours makes none
 */
export function readConsulService(
  name: string,
  tags: readonly string[],
): readonly (Registered | { readonly kind: 'unreadable'; readonly reason: string })[] {
  return tags.flatMap((tag): (Registered | { kind: 'unreadable'; reason: string })[] => {
    if (tag === applicationTag) {
      const fault = domainFault(name.toLowerCase());
      if (fault === undefined) return [{ kind: 'application', domain: name.toLowerCase() }];
      return [{ kind: 'unreadable', reason: `expected ${fault}, found ${shown(name)}` }];
    }
    if (!tag.startsWith(serviceTag)) return [];
    const port = parsePort(tag.slice(serviceTag.length));
    if (port !== undefined) return [{ kind: 'service', name, port }];
    return [{ kind: 'unreadable', reason: `expected a port (1 to 65535) in the tag ${shown(tag)}` }];
  });
}
