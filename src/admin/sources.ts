/** What the status is read from. The ambassador hands each in as its part comes up; all of it is plain to fake. */
import type { SocketAddress } from '../core/address.ts';
import type { EndpointHealth } from '../health/endpoint-health.ts';
import type { RouteTable } from '../route/table.ts';

/** What a data plane has carried to one endpoint for one backend, since it started. */
export interface EndpointTraffic {
  readonly backendKey: string;
  /** `endpointKey` of its address. */
  readonly endpoint: string;
  readonly active: number;
  readonly connections: number;
  /** Dials that failed. */
  readonly failures: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
}

/** What a data plane has done since it started. */
export interface ProxyTraffic {
  readonly address: SocketAddress | undefined;
  readonly maxConnections: number;
  readonly active: number;
  readonly served: number;
  readonly refused: number;
  readonly endpoints: Iterable<EndpointTraffic>;
}

export interface StatusSources {
  readonly routes?: Pick<RouteTable, 'callers' | 'backends' | 'subscribe'>;
  readonly health?: Pick<EndpointHealth, 'isDown' | 'failureOf' | 'subscribe'>;
  readonly proxy?: () => ProxyTraffic;
  /** Whether connections are accepted and routed: what `nuncio --health` asks. */
  readonly isServing?: () => boolean;
}
