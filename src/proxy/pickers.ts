import type { Picker } from '../balance/picker.ts';
import { makePicker } from '../balance/policies.ts';
import { type Endpoint, endpointKey } from '../core/endpoint.ts';
import type { BackendEntry } from '../route/table.ts';

/** The pickers of one data plane and the connections that each endpoint carries in it. */
export class Pickers {
  /** Keyed by the set itself: a new set in the table is a new picker, and a set that is gone takes its picker along. */
  readonly #bySet = new WeakMap<readonly Endpoint[], Picker>();
  readonly #active = new Map<string, number>();

  of(backend: BackendEntry): Picker {
    const known = this.#bySet.get(backend.endpoints);
    if (known !== undefined) return known;
    const picker = makePicker(backend.options.balance ?? 'roundrobin', backend.endpoints);
    this.#bySet.set(backend.endpoints, picker);
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
}
