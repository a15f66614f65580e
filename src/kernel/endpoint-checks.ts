import type { Endpoint } from '../core/endpoint.ts';
import type { EndpointHealth } from '../health/endpoint-health.ts';
import type { RouteReader } from '../route/table.ts';
import { needOfProxy } from './plan.ts';

/** Time between two checks of an endpoint that the kernel may lead callers to, ms; a backend's own `check=` may be shorter. */
const checkEveryMs = 1000;
/** Checks in that time: where there are more endpoints, each is checked less often. */
const maxChecks = 200;

export interface EndpointChecksOptions {
  readonly routes: Pick<RouteReader, 'backend'>;
  readonly checks: Pick<EndpointHealth, 'check'>;
  /** Keys of the backends that callers of the kernel path have routes to. */
  readonly wanted: () => ReadonlySet<string>;
}

/** Has endpoints checked for the kernel's sake: nobody dials there who could find out that one is down. */
export class EndpointChecks {
  readonly #options: EndpointChecksOptions;
  /** By backend: the set that was asked for last. */
  readonly #asked = new Map<string, readonly Endpoint[]>();
  #everyMs = checkEveryMs;
  #isDue = false;
  #isStopped = false;

  constructor(options: EndpointChecksOptions) {
    this.#options = options;
  }

  /**
   * Something has changed. The checks are set a moment later: what they find out at once would come back to the table while
   * it is still telling of the change.
   */
  update(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => {
      this.#isDue = false;
      if (!this.#isStopped) this.#set();
    });
  }

  /** Ends every check that was asked for here. May be called twice. */
  stop(): void {
    this.#isStopped = true;
    for (const key of this.#asked.keys()) this.#check(key, []);
    this.#asked.clear();
  }

  #set(): void {
    const wanted = this.#wanted();
    for (const key of this.#asked.keys()) {
      if (wanted.has(key)) continue;
      this.#asked.delete(key);
      this.#check(key, []);
    }
    const everyMs = intervalFor([...wanted.values()].reduce((sum, { length }) => sum + length, 0));
    const isAnother = everyMs !== this.#everyMs;
    this.#everyMs = everyMs;
    for (const [key, endpoints] of wanted) {
      if (!isAnother && this.#asked.get(key) === endpoints) continue;
      this.#asked.set(key, endpoints);
      this.#check(key, endpoints);
    }
  }

  #wanted(): ReadonlyMap<string, readonly Endpoint[]> {
    const wanted = new Map<string, readonly Endpoint[]>();
    for (const key of this.#options.wanted()) {
      const backend = this.#options.routes.backend(key);
      if (backend !== undefined && needOfProxy(backend) === undefined) wanted.set(key, backend.endpoints);
    }
    return wanted;
  }

  /** The owner is another than the backend itself, which may ask for checks of its own. */
  #check(key: string, endpoints: readonly Endpoint[]): void {
    this.#options.checks.check(`kernel ${key}`, endpoints, this.#everyMs);
  }
}

/** Doubled until the checks are few enough, so that one endpoint more or less changes nothing for the others. */
function intervalFor(endpoints: number): number {
  let everyMs = checkEveryMs;
  while (endpoints * checkEveryMs > maxChecks * everyMs) everyMs *= 2;
  return everyMs;
}
