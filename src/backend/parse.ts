/**
 * Descriptors: the text that says what a port leads to, and what it means.
 *
 *     parseDescriptor('redis-1:6379,redis-2:6379?balance=first')
 *     // { ok: true, value: { source: { kind: 'static', endpoints: [...] }, options: { balance: 'first' } } }
 *
 * Pure; nothing is looked up here. The grammar stands in docs/descriptors.md.
 */
import { AppError } from '../core/errors.ts';
import { nearestWord } from '../core/nearest.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type { Backend, Source } from './backend.ts';
import { scanOptions } from './options.ts';
import { hostNameFault, Scanner } from './scanner.ts';

/** Longer texts are refused unread: no descriptor is, and a container's environment is a stranger's text. */
const maxLength = 8192;

export const etcdPort = 2379;
export const consulPort = 8500;

function scanPath(scanner: Scanner): string {
  const start = scanner.position;
  const path = scanner.until('?').replace(/\/+$/, '');
  if (!path.startsWith('/')) throw scanner.fault('"/" and a path', start);
  return path;
}

function scanDocker(scanner: Scanner): Source {
  const start = scanner.position;
  const name = scanner.until(':?/');
  if (!/^[a-z0-9][a-z0-9_.-]{0,254}$/i.test(name)) {
    throw scanner.fault('the name of a container, a Compose service or a nuncio.service label', start);
  }
  return scanner.accept(':') ? { kind: 'docker', name, port: scanner.port() } : { kind: 'docker', name };
}

/** What stands behind each scheme; tags and the like follow as options, so the result waits for them. */
const schemes: Readonly<Record<string, (scanner: Scanner) => Source>> = {
  etcd: (scanner) => {
    const servers = scanner.list(() => scanner.hostPort(etcdPort));
    return { kind: 'etcd', servers, path: scanPath(scanner), tags: [] };
  },
  consul: (scanner) => {
    const server = scanner.hostPort(consulPort);
    return { kind: 'consul', server, path: scanPath(scanner), tags: [] };
  },
  'consul-service': (scanner) => {
    const server = scanner.hostPort(consulPort);
    scanner.expect('/', '"/" and the name of a service');
    const start = scanner.position;
    const name = scanner.until('?/');
    if (name === '') throw scanner.fault('the name of a service', start);
    return { kind: 'consul-service', server, name, tags: [], passing: true };
  },
  docker: scanDocker,
  file: (scanner) => ({ kind: 'file', path: scanPath(scanner) }),
};

function scanSource(scanner: Scanner): Source {
  const scheme = /^\s*([a-z][a-z0-9+.-]*):\/\//i.exec(scanner.text)?.[1];
  if (scheme !== undefined) {
    const scan = Object.hasOwn(schemes, scheme.toLowerCase()) ? schemes[scheme.toLowerCase()] : undefined;
    if (scan === undefined) {
      const near = nearestWord(scheme, Object.keys(schemes));
      const hint = near === undefined ? '' : ` (did you mean ${near}://?)`;
      throw scanner.fault(`one of the schemes ${Object.keys(schemes).join(', ')}${hint}`);
    }
    scanner.accept(`${scheme}://`);
    return scan(scanner);
  }
  const name = /^[^:,?[\]; ]+(?=\?|\s*$)/.exec(scanner.text.slice(scanner.position))?.[0];
  if (name !== undefined && hostNameFault(name) === undefined) {
    return { kind: 'srv', name: scanner.host() };
  }
  return { kind: 'static', endpoints: scanner.list(() => scanner.hostPort()) };
}

/** Runs a scan and makes a Result of what it returns or throws. */
export function scanned<T>(text: string, scan: (scanner: Scanner) => T): Result<T> {
  if (text.length > maxLength) {
    return fail(
      new AppError(
        'ERR_DESCRIPTOR_SYNTAX',
        `column 1: expected at most ${maxLength} characters, found ${text.length}`,
        {
          column: 1,
        },
      ),
    );
  }
  try {
    return ok(scan(new Scanner(text)));
  } catch (thrown) {
    if (thrown instanceof AppError) return fail(thrown);
    throw thrown;
  }
}

/**
 * Parses a definition: `host:port,…`, a DNS name for SRV, or a URL, with options after `?`.
 *
 * @returns ERR_DESCRIPTOR_SYNTAX with the 1-based column and what was expected there
 */
export function parseDescriptor(text: string): Result<Backend> {
  return scanned(text, (scanner) => {
    const source = scanSource(scanner);
    const { options, source: lookUp } = scanOptions(scanner, source.kind);
    switch (source.kind) {
      case 'etcd':
      case 'consul':
        return { source: { ...source, tags: lookUp.tags }, options };
      case 'consul-service':
        return { source: { ...source, ...lookUp }, options };
      default:
        return { source, options };
    }
  });
}

/** embassy's form of a request for a service: which one, with which tags, dialled at which port. */
export interface ServiceRequest {
  readonly service: string;
  readonly tags: readonly string[];
  readonly port: number;
}

/**
 * Parses embassy's `service[tag,tag];port`, as in `BACKEND_DB=/services/prod/db[master];3306`.
 *
 * @returns ERR_DESCRIPTOR_SYNTAX with the 1-based column and what was expected there
 */
export function parseServiceDescriptor(text: string): Result<ServiceRequest> {
  return scanned(text, (scanner) => {
    const start = scanner.position;
    const service = scanner.until('[];').trim();
    if (service === '' || /\s/.test(service)) throw scanner.fault('the name or path of a service', start);
    const tags = scanner.accept('[') ? scanTags(scanner) : [];
    scanner.expect(';', `";" and a port after the service`);
    const port = scanner.port();
    scanner.expectEnd('the end after the port');
    return { service, tags, port };
  });
}

/**
 * Parses embassy's list of services, `frontend_http;80,mysql[prod,master];3306`.
 *
 * @returns the error of the first service that is wrong, as `parseServiceDescriptor` tells it
 */
export function parseServiceList(text: string): Result<readonly ServiceRequest[]> {
  const services: ServiceRequest[] = [];
  for (const item of text.split(/(?<=;\s*\d+\s*),/)) {
    const service = parseServiceDescriptor(item);
    if (!service.ok) return service;
    services.push(service.value);
  }
  return ok(services);
}

function scanTags(scanner: Scanner): string[] {
  const tags = scanner.list(() => {
    const start = scanner.position;
    const tag = scanner.until(',];').trim();
    if (tag === '') throw scanner.fault('a tag', start);
    return tag;
  });
  scanner.expect(']', '"]" after the tags');
  return tags;
}
