import type { EndpointTraffic } from './sources.ts';
import type { Counts } from './status.ts';

/** Counts of an endpoint or a backend, with the dials that failed. */
export type EndpointCounts = Counts & {
  readonly failures: number;
  /** Of the connections, those that the kernel led there. */
  readonly kernelConnections: number;
};

export const noCounts: EndpointCounts = {
  active: 0,
  connections: 0,
  kernelConnections: 0,
  failures: 0,
  bytesUp: 0,
  bytesDown: 0,
};

interface Account {
  /** With what went through endpoints that are gone. */
  total: EndpointCounts;
  endpoints: ReadonlyMap<string, EndpointCounts>;
}

/**
 * What endpoints have carried, in totals that only grow. Data planes forget an endpoint that no route names any more, and
 * count it from 0 when it comes back; so each reading is compared with the one before it, and what is new is added here. An
 * endpoint stays in its backend's total, and a backend in that of everything.
 */
export class TrafficLedger {
  #last: ReadonlyMap<string, EndpointTraffic> = new Map();
  readonly #backends = new Map<string, Account>();
  #total: EndpointCounts = noCounts;

  /**
   * Takes in what the data planes say now.
   *
   * @param sources the rows of each data plane, in the same order every time
   * @param isKnown whether a backend is still in the route table; the others are left to the total alone
   */
  read(sources: readonly Iterable<EndpointTraffic>[], isKnown: (backend: string) => boolean): void {
    const last = new Map<string, EndpointTraffic>();
    const endpoints = new Map<string, Map<string, EndpointCounts>>();
    this.#total = idle(this.#total);
    for (const account of this.#backends.values()) account.total = idle(account.total);
    for (const [source, rows] of sources.entries()) {
      for (const row of rows) {
        const { backend, endpoint } = row;
        const key = JSON.stringify([source, backend, endpoint, row.part]);
        const news = since(this.#last.get(key), row);
        last.set(key, row);
        this.#total = add(this.#total, news);
        const account = this.#backends.get(backend) ?? { total: noCounts, endpoints: new Map() };
        this.#backends.set(backend, account);
        account.total = add(account.total, news);
        const now = endpoints.get(backend) ?? new Map<string, EndpointCounts>();
        endpoints.set(backend, now);
        now.set(endpoint, add(now.get(endpoint) ?? idle(account.endpoints.get(endpoint) ?? noCounts), news));
      }
    }
    this.#last = last;
    for (const [backend, account] of this.#backends) {
      account.endpoints = endpoints.get(backend) ?? new Map();
      if (account.endpoints.size === 0 && !isKnown(backend)) this.#backends.delete(backend);
    }
  }

  ofEndpoint(backend: string, endpoint: string): EndpointCounts {
    return this.#backends.get(backend)?.endpoints.get(endpoint) ?? noCounts;
  }

  /** All that was carried for a backend, by endpoints that are gone too. */
  ofBackend(backend: string): EndpointCounts {
    return this.#backends.get(backend)?.total ?? noCounts;
  }

  /** All that was carried. */
  get total(): EndpointCounts {
    return this.#total;
  }

  /** Each backend and each of its endpoints: `(backend, undefined)`, `(backend, endpoint)`. */
  *names(): Generator<readonly [backend: string, endpoint: string | undefined]> {
    for (const [backend, { endpoints }] of this.#backends) {
      yield [backend, undefined];
      for (const endpoint of endpoints.keys()) yield [backend, endpoint];
    }
  }
}

/** What a row has more than at its last reading; where its counter has begun anew, all that it has. */
function since(before: EndpointTraffic | undefined, now: EndpointTraffic): EndpointCounts {
  const isAnew = before === undefined || now.connections < before.connections;
  const then = isAnew ? noCounts : before;
  return {
    active: now.active,
    connections: now.connections - then.connections,
    kernelConnections: (now.kernelConnections ?? 0) - (then.kernelConnections ?? 0),
    failures: Math.max(0, now.failures - then.failures),
    bytesUp: Math.max(0, now.bytesUp - then.bytesUp),
    bytesDown: Math.max(0, now.bytesDown - then.bytesDown),
  };
}

function add(a: EndpointCounts, b: EndpointCounts): EndpointCounts {
  return {
    active: a.active + b.active,
    connections: a.connections + b.connections,
    kernelConnections: a.kernelConnections + b.kernelConnections,
    failures: a.failures + b.failures,
    bytesUp: a.bytesUp + b.bytesUp,
    bytesDown: a.bytesDown + b.bytesDown,
  };
}

/** What is open is told anew by each reading. */
function idle(counts: EndpointCounts): EndpointCounts {
  return { ...counts, active: 0 };
}
