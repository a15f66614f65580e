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

type Sum = { -readonly [K in keyof EndpointCounts]: EndpointCounts[K] };

interface Account {
  /** With what went through endpoints that are gone. */
  readonly total: Sum;
  endpoints: Map<string, Sum>;
  /** The rows of the latest reading, by what tells them apart. */
  rows: Map<string, EndpointTraffic>;
}

/**
 * What endpoints have carried, in totals that only grow. Data planes forget an endpoint that no route names any more, and
 * count it from 0 when it comes back; so each reading is compared with the one before it, and what is new is added here. An
 * endpoint stays in its backend's total, and a backend in that of everything.
 */
export class TrafficLedger {
  #accounts = new Map<string, Account>();
  readonly #total: Sum = { ...noCounts };

  /**
   * Takes in what the data planes say now.
   *
   * @param sources the rows of each data plane, in the same order every time
   * @param isKnown whether a backend is still in the route table; the others are left to the total alone
   */
  read(sources: readonly Iterable<EndpointTraffic>[], isKnown: (backend: string) => boolean): void {
    const before = this.#accounts;
    const accounts = new Map<string, Account>();
    // What is open is told anew by each reading.
    this.#total.active = 0;
    for (const [source, rows] of sources.entries()) {
      for (const row of rows) {
        const known = before.get(row.backend);
        const account = accounts.get(row.backend) ?? opened(known);
        accounts.set(row.backend, account);
        const key = `${source} ${row.endpoint} ${row.part ?? ''}`;
        account.rows.set(key, row);
        const endpoint = account.endpoints.get(row.endpoint) ?? idle(known?.endpoints.get(row.endpoint));
        account.endpoints.set(row.endpoint, endpoint);
        const last = known?.rows.get(key);
        for (const sum of [this.#total, account.total, endpoint]) addNews(sum, row, last);
      }
    }
    for (const [backend, account] of before) {
      if (!accounts.has(backend) && isKnown(backend)) accounts.set(backend, opened(account));
    }
    this.#accounts = accounts;
  }

  ofEndpoint(backend: string, endpoint: string): EndpointCounts {
    return this.#accounts.get(backend)?.endpoints.get(endpoint) ?? noCounts;
  }

  /** All that was carried for a backend, by endpoints that are gone too. */
  ofBackend(backend: string): EndpointCounts {
    return this.#accounts.get(backend)?.total ?? noCounts;
  }

  /** All that was carried. */
  get total(): EndpointCounts {
    return this.#total;
  }

  /** Each backend and each of its endpoints: `(backend, undefined)`, `(backend, endpoint)`. */
  *names(): Generator<readonly [backend: string, endpoint: string | undefined]> {
    for (const [backend, { endpoints }] of this.#accounts) {
      yield [backend, undefined];
      for (const endpoint of endpoints.keys()) yield [backend, endpoint];
    }
  }
}

/** An account for the next reading. */
function opened(before: Account | undefined): Account {
  return { total: idle(before?.total), endpoints: new Map(), rows: new Map() };
}

/** A sum to go on with: nothing is open until it is told. */
function idle(before: Sum | undefined): Sum {
  return { ...(before ?? noCounts), active: 0 };
}

/** Adds what a row has more than at its last reading; where its counter has begun anew, all that it has. */
function addNews(sum: Sum, now: EndpointTraffic, last: EndpointTraffic | undefined): void {
  const then = last === undefined || now.connections < last.connections ? noCounts : last;
  sum.active += now.active;
  sum.connections += now.connections - then.connections;
  sum.kernelConnections += Math.max(0, (now.kernelConnections ?? 0) - (then.kernelConnections ?? 0));
  sum.failures += Math.max(0, now.failures - then.failures);
  sum.bytesUp += Math.max(0, now.bytesUp - then.bytesUp);
  sum.bytesDown += Math.max(0, now.bytesDown - then.bytesDown);
}
