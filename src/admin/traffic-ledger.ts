import type { EndpointTraffic } from './sources.ts';
import type { Counts } from './status.ts';

/** Counts of an endpoint or a backend, with the dials that failed. */
export type EndpointCounts = Counts & { readonly failures: number };

export const noCounts: EndpointCounts = { active: 0, connections: 0, failures: 0, bytesUp: 0, bytesDown: 0 };

interface Line {
  /** As it was read last. */
  current: EndpointCounts;
  /** What went before it, in counters that began anew. */
  earlier: EndpointCounts;
}

/**
 * What endpoints have carried, in totals that only grow. Data planes forget an endpoint that no route names any more, and
 * count it from 0 when it comes back; here it stays in its backend's total, and in that of everything.
 */
export class TrafficLedger {
  readonly #backends = new Map<string, { lines: Map<string, Line>; gone: EndpointCounts }>();
  #gone: EndpointCounts = noCounts;

  /** Takes in what the data planes say now; rows of one endpoint are added up. */
  read(rows: Iterable<EndpointTraffic>): void {
    const now = new Map<string, Map<string, EndpointCounts>>();
    for (const row of rows) {
      const endpoints = now.get(row.backend) ?? new Map<string, EndpointCounts>();
      now.set(row.backend, endpoints);
      endpoints.set(row.endpoint, add(row, endpoints.get(row.endpoint) ?? noCounts));
    }
    for (const [backend, { lines, gone }] of this.#backends) {
      const endpoints = now.get(backend);
      if (endpoints === undefined) {
        this.#gone = add(this.#gone, asGone(this.ofBackend(backend)));
        this.#backends.delete(backend);
        continue;
      }
      let left = gone;
      for (const [endpoint, line] of lines) {
        if (endpoints.has(endpoint)) continue;
        left = add(left, asGone(add(line.current, line.earlier)));
        lines.delete(endpoint);
      }
      this.#backends.set(backend, { lines, gone: left });
    }
    for (const [backend, endpoints] of now) {
      const known = this.#backends.get(backend) ?? { lines: new Map<string, Line>(), gone: noCounts };
      this.#backends.set(backend, known);
      for (const [endpoint, current] of endpoints) {
        const before = known.lines.get(endpoint);
        const isAnew = before !== undefined && current.connections < before.current.connections;
        const earlier = before?.earlier ?? noCounts;
        known.lines.set(endpoint, {
          current,
          earlier: isAnew ? add(earlier, asGone(before.current)) : earlier,
        });
      }
    }
  }

  ofEndpoint(backend: string, endpoint: string): EndpointCounts {
    const line = this.#backends.get(backend)?.lines.get(endpoint);
    return line === undefined ? noCounts : add(line.current, line.earlier);
  }

  /** All that was carried for a backend, by endpoints that are gone too. */
  ofBackend(backend: string): EndpointCounts {
    const known = this.#backends.get(backend);
    if (known === undefined) return noCounts;
    return [...known.lines.values()].reduce(
      (total, { current, earlier }) => add(total, add(current, earlier)),
      known.gone,
    );
  }

  /** All that was carried. */
  total(): EndpointCounts {
    return [...this.#backends.keys()].reduce(
      (total, backend) => add(total, this.ofBackend(backend)),
      this.#gone,
    );
  }

  /** Each backend and each of its endpoints: `(backend, undefined)`, `(backend, endpoint)`. */
  *names(): Generator<readonly [backend: string, endpoint: string | undefined]> {
    for (const [backend, { lines }] of this.#backends) {
      yield [backend, undefined];
      for (const endpoint of lines.keys()) yield [backend, endpoint];
    }
  }
}

function add(a: EndpointCounts, b: EndpointCounts): EndpointCounts {
  return {
    active: a.active + b.active,
    connections: a.connections + b.connections,
    failures: a.failures + b.failures,
    bytesUp: a.bytesUp + b.bytesUp,
    bytesDown: a.bytesDown + b.bytesDown,
  };
}

/** What is counted no more has no open connections. */
function asGone(counts: EndpointCounts): EndpointCounts {
  return { ...counts, active: 0 };
}
