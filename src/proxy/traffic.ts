import { endpointKey } from '../core/endpoint.ts';
import type { RouteReader } from '../route/table.ts';

/** What an endpoint has carried for one backend since the data plane started. */
export interface EndpointTraffic {
  /** The backend's key in the route table. */
  readonly backend: string;
  /** `10.0.0.1:6379` */
  readonly endpoint: string;
  /** Connections that it has accepted. */
  readonly connections: number;
  /** Of those, the ones that are open. */
  readonly active: number;
  /** Bytes from callers to it. */
  readonly bytesUp: number;
  /** Bytes from it to callers. */
  readonly bytesDown: number;
  /** Dials that it has refused or left unanswered. */
  readonly failures: number;
}

/** The counters of one endpoint; whoever carries its bytes adds to them. */
export type Tally = { -readonly [K in keyof EndpointTraffic]: EndpointTraffic[K] };

/** Counters by backend and endpoint, of one thread. */
export class Traffic {
  readonly #byBackend = new Map<string, Map<string, Tally>>();

  /** @param endpoint as `endpointKey` writes it */
  of(backend: string, endpoint: string): Tally {
    let tallies = this.#byBackend.get(backend);
    if (tallies === undefined) {
      tallies = new Map();
      this.#byBackend.set(backend, tallies);
    }
    let tally = tallies.get(endpoint);
    if (tally === undefined) {
      tally = { backend, endpoint, connections: 0, active: 0, bytesUp: 0, bytesDown: 0, failures: 0 };
      tallies.set(endpoint, tally);
    }
    return tally;
  }

  rows(): Tally[] {
    return [...this.#byBackend.values()].flatMap((tallies) => [...tallies.values()]);
  }

  /** Forgets endpoints that no backend names any more, unless a connection to them is open. */
  prune(routes: Pick<RouteReader, 'backend'>): void {
    for (const [backend, tallies] of this.#byBackend) {
      const named = new Set(routes.backend(backend)?.endpoints.map(endpointKey));
      for (const [endpoint, { active }] of tallies) {
        if (active === 0 && !named.has(endpoint)) tallies.delete(endpoint);
      }
      if (tallies.size === 0) this.#byBackend.delete(backend);
    }
  }
}
