import { endpointKey } from '../../core/endpoint.ts';
import type { RouteReader } from '../../route/table.ts';
import type { EndpointTraffic } from '../traffic.ts';

/** What all workers have told of their endpoints' counters, those that have died too. */
export class TrafficSum {
  readonly #byThread = new Map<number, readonly EndpointTraffic[]>();
  #departed: readonly EndpointTraffic[] = [];

  /** @param rows everything that the worker counts, since it began */
  told(thread: number, rows: readonly EndpointTraffic[]): void {
    this.#byThread.set(thread, rows);
  }

  /** Its connections are gone; what it has carried stays counted. */
  died(thread: number): void {
    const rows = (this.#byThread.get(thread) ?? []).map((row) => ({ ...row, active: 0 }));
    this.#byThread.delete(thread);
    this.#departed = sum([...this.#departed, ...rows]);
  }

  rows(routes: Pick<RouteReader, 'backend'>): readonly EndpointTraffic[] {
    // A worker forgets what no backend names any more; so does the memory of dead ones.
    this.#departed = this.#departed.filter(({ backend, endpoint }) =>
      routes.backend(backend)?.endpoints.some((candidate) => endpointKey(candidate) === endpoint),
    );
    return sum([...this.#departed, ...[...this.#byThread.values()].flat()]);
  }
}

function sum(rows: readonly EndpointTraffic[]): readonly EndpointTraffic[] {
  const sums = new Map<string, EndpointTraffic>();
  for (const row of rows) {
    const key = `${row.backend} ${row.endpoint}`;
    const so = sums.get(key);
    if (so === undefined) {
      sums.set(key, row);
      continue;
    }
    sums.set(key, {
      ...row,
      connections: so.connections + row.connections,
      active: so.active + row.active,
      bytesUp: so.bytesUp + row.bytesUp,
      bytesDown: so.bytesDown + row.bytesDown,
      failures: so.failures + row.failures,
    });
  }
  return [...sums.values()];
}
