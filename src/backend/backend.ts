import { formatHostPort } from '../core/address.ts';

/** How to choose among a backend's endpoints. */
export const balancePolicies = ['roundrobin', 'leastconn', 'random', 'first'] as const;
export type BalancePolicy = (typeof balancePolicies)[number];

/** PROXY protocol version that the endpoint is greeted with (haproxy.org, proxy-protocol.txt). */
export const proxyProtocols = ['v1', 'v2'] as const;
export type ProxyProtocol = (typeof proxyProtocols)[number];

/** What may follow a definition's `?`. Absent = the ambassador's default. */
export interface BackendOptions {
  readonly balance?: BalancePolicy;
  /** How long a dial may take, ms. */
  readonly connectTimeoutMs?: number;
  readonly sendProxy?: ProxyProtocol;
  /** Time between active TCP checks, ms. */
  readonly checkMs?: number;
  /** The checks ask by HTTP for this host, in place of connecting only. No descriptor says so; applications do. */
  readonly checkHost?: string;
}

export interface HostPort {
  /** A DNS name in lower case, or a canonical IP address. */
  readonly host: string;
  readonly port: number;
}

/** Where a backend's endpoints come from: one kind, one resolver. */
export type Source =
  | { readonly kind: 'static'; readonly endpoints: readonly HostPort[] }
  | { readonly kind: 'srv'; readonly name: string }
  | {
      readonly kind: 'etcd';
      readonly servers: readonly HostPort[];
      readonly path: string;
      readonly tags: readonly string[];
    }
  | {
      readonly kind: 'consul';
      readonly server: HostPort;
      readonly path: string;
      readonly tags: readonly string[];
    }
  | {
      readonly kind: 'consul-service';
      readonly server: HostPort;
      readonly name: string;
      readonly tags: readonly string[];
      readonly datacenter?: string;
      /** Only instances whose health checks pass. */
      readonly passing: boolean;
    }
  /** `port` absent: the port that the caller dialled. */
  | { readonly kind: 'docker'; readonly name: string; readonly port?: number }
  | { readonly kind: 'file'; readonly path: string };

export type SourceKind = Source['kind'];
export type SourceOf<K extends SourceKind> = Extract<Source, { kind: K }>;

/** What a descriptor means. */
export interface Backend {
  readonly source: Source;
  readonly options: BackendOptions;
}

/** Equal for sources that one watch can serve. The parser writes the keys of a kind in one order, so JSON is canonical. */
export function sourceKey(source: Source): string {
  return JSON.stringify(source);
}

/** Equal for backends that behave alike: same source, same options. */
export function backendKey(backend: Backend): string {
  return JSON.stringify([backend.source, backend.options]);
}

/** The backend with the port that its caller dialled filled in where the descriptor leaves that open. */
export function withDialledPort(backend: Backend, port: number): Backend {
  const { source } = backend;
  if (source.kind !== 'docker' || source.port !== undefined) return backend;
  return { ...backend, source: { ...source, port } };
}

/** A source in the spelling of a descriptor, for log lines and pages; `parseDescriptor` reads it back as the same. */
export function describeSource(source: Source): string {
  const list = (servers: readonly HostPort[]) => servers.map((s) => formatHostPort(s.host, s.port)).join(',');
  switch (source.kind) {
    case 'static':
      return list(source.endpoints);
    case 'srv':
      return source.name;
    case 'etcd':
      return `etcd://${list(source.servers)}${source.path}${query({ tag: source.tags.join(',') })}`;
    case 'consul':
      return `consul://${list([source.server])}${source.path}${query({ tag: source.tags.join(',') })}`;
    case 'consul-service': {
      const { tags, datacenter, passing } = source;
      const options = query({ tag: tags.join(','), dc: datacenter ?? '', passing: passing ? '' : 'false' });
      return `consul-service://${list([source.server])}/${source.name}${options}`;
    }
    case 'docker':
      return `docker://${source.name}${source.port === undefined ? '' : `:${source.port}`}`;
    case 'file':
      return `file://${source.path}`;
  }
}

/** `?key=value&…` of the values that are not empty. */
function query(values: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(values).filter(([, value]) => value !== '');
  return pairs.length === 0 ? '' : `?${pairs.map(([key, value]) => `${key}=${value}`).join('&')}`;
}
