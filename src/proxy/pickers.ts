import type { PickContext, Picker } from '../balance/picker.ts';
import { makePicker } from '../balance/policies.ts';
import { type Endpoint, endpointKey } from '../core/endpoint.ts';
import type { BackendEntry, RouteReader } from '../route/table.ts';

/** What a picker was made from; another array is another set. */
interface Made {
  readonly endpoints: BackendEntry['endpoints'];
  readonly ejected: BackendEntry['ejected'];
  readonly picker: Picker;
}

/** The pickers of one data plane and the connections that each endpoint carries in it. */
export class Pickers {
  readonly #made = new Map<string, Made>();
  readonly #active = new Map<string, number>();
  readonly #unsubscribe: () => void;

  constructor(routes: Pick<RouteReader, 'subscribe'>) {
    this.#unsubscribe = routes.subscribe((change) => {
      if (change.kind === 'backend-gone') this.#made.delete(change.key);
    });
  }

  of(backend: BackendEntry): Picker {
    const { endpoints, ejected } = backend;
    const known = this.#made.get(backend.key);
    if (known !== undefined && known.endpoints === endpoints && known.ejected === ejected)
      return known.picker;
    const picker = withLastResort(backend);
    this.#made.set(backend.key, { endpoints, ejected, picker });
    return picker;
  }

  readonly active = (endpoint: Endpoint): number => this.#active.get(endpointKey(endpoint)) ?? 0;

  /** Counts a connection in; the function that comes back counts it out. */
  begin(endpoint: Endpoint): () => void {
    const key = endpointKey(endpoint);
    this.#active.set(key, (this.#active.get(key) ?? 0) + 1);
    return () => {
      const left = (this.#active.get(key) ?? 1) - 1;
      if (left > 0) this.#active.set(key, left);
      else this.#active.delete(key);
    };
  }

  stop(): void {
    this.#unsubscribe();
    this.#made.clear();
  }
}

/** Ejected endpoints come after all others, of whatever priority: what was down may be up, and nothing else is left. */
function withLastResort({ endpoints, ejected, options }: BackendEntry): Picker {
  const policy = options.balance ?? 'roundrobin';
  if (ejected.length === 0) return makePicker(policy, endpoints);
  const isEjected = (candidate: Endpoint) => ejected.includes(endpointKey(candidate));
  const inUse = makePicker(
    policy,
    endpoints.filter((candidate) => !isEjected(candidate)),
  );
  const lastResort = makePicker(policy, endpoints.filter(isEjected));
  return { pick: (context: PickContext) => inUse.pick(context) ?? lastResort.pick(context) };
}
