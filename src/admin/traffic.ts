import type { EndpointTraffic } from './sources.ts';
import type { Counts, Rates } from './status.ts';

/** Counts of an endpoint or a backend, with the dials that failed. */
export type EndpointCounts = Counts & { readonly failures: number };

export const noCounts: EndpointCounts = { active: 0, connections: 0, failures: 0, bytesUp: 0, bytesDown: 0 };

export function sum(counts: Iterable<EndpointCounts>): EndpointCounts {
  const total = { ...noCounts };
  for (const { active, connections, failures, bytesUp, bytesDown } of counts) {
    total.active += active;
    total.connections += connections;
    total.failures += failures;
    total.bytesUp += bytesUp;
    total.bytesDown += bytesDown;
  }
  return total;
}

/** backend key -> endpoint -> counts */
export type TrafficIndex = ReadonlyMap<string, ReadonlyMap<string, EndpointCounts>>;

/** Where several data planes carried to one endpoint, their counts are added. */
export function indexTraffic(traffic: Iterable<EndpointTraffic>): TrafficIndex {
  const index = new Map<string, Map<string, EndpointCounts>>();
  for (const one of traffic) {
    const ofBackend = index.get(one.backendKey) ?? new Map<string, EndpointCounts>();
    index.set(one.backendKey, ofBackend);
    ofBackend.set(one.endpoint, sum([one, ofBackend.get(one.endpoint) ?? noCounts]));
  }
  return index;
}

/** The totals that rates are made of, in the order in which `ratesOf` reads them. */
export function totalsOf({ connections, bytesUp, bytesDown }: Counts): readonly number[] {
  return [connections, bytesUp, bytesDown];
}

export function ratesOf(perS: readonly number[]): Rates {
  const [connectionsPerS = 0, bytesUpPerS = 0, bytesDownPerS = 0] = perS;
  return { connectionsPerS, bytesUpPerS, bytesDownPerS };
}

export const noRates: Rates = ratesOf([]);
