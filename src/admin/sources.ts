/** What the status is read from. The ambassador hands each in as its part comes up; all of it is plain to fake. */
import type { SocketAddress } from '../core/address.ts';
import type { GatewayStatus } from '../core/gateway-status.ts';
import type { EndpointHealth } from '../health/endpoint-health.ts';
import type { RouteTable } from '../route/table.ts';
import type { RegistrationStatus } from './status.ts';

/** What a data plane has carried to one endpoint for one backend, since it began to count it. */
export interface EndpointTraffic {
  /** The backend's key in the route table. */
  readonly backend: string;
  /** `endpointKey` of its address. */
  readonly endpoint: string;
  readonly active: number;
  readonly connections: number;
  /** Dials that failed. */
  readonly failures: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** Of the connections, those that the kernel led there: nobody saw them end, nor their bytes. */
  readonly kernelConnections?: number;
  /** Tells rows apart, where a source has several of one endpoint. */
  readonly part?: string;
}

/** A data plane: what accepts connections, or redirects them. Its numbers are since its start. */
export interface TrafficSource {
  /** Where it listens. */
  readonly address: SocketAddress | undefined;
  readonly counters: { readonly active: number; readonly served: number; readonly refused: number };
  /** What carries the bytes: `2 workers`. */
  readonly kind: string;
  /** Endpoints that are in no route any more may be left out. */
  traffic(): Iterable<EndpointTraffic>;
}

/** The kernel path: it leads callers to endpoints as they connect, and sees no more of them. */
export interface KernelSource {
  readonly counters: {
    /** Routes that it serves now. */
    readonly routes: number;
    readonly connects: readonly {
      readonly callerId: string;
      readonly port: number;
      readonly backendKey: string;
      readonly endpoint: string;
      readonly connects: number;
    }[];
  };
  pathOf(
    callerId: string,
    port: number,
  ): { readonly kind: 'kernel' } | { readonly kind: 'proxy'; readonly reason: string };
}

export type Routes = Pick<RouteTable, 'callers' | 'backends' | 'subscribe'>;
export type Health = Pick<EndpointHealth, 'isDown' | 'failureOf' | 'subscribe'>;
export type GatewaySource = () => GatewayStatus;
export type RegistrationSource = () => RegistrationStatus;
