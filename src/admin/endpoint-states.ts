import type { Endpoint } from '../core/endpoint.ts';
import { endpointKey } from '../core/endpoint.ts';
import type { BackendEntry, RouteChange } from '../route/table.ts';
import type { Health, Routes } from './sources.ts';
import type { EndpointState } from './status.ts';

interface Seen {
  state: EndpointState;
  sinceMs: number;
}

/**
 * The state of every endpoint in the route table, and since when it has it. An endpoint's state belongs to a backend: a set
 * whose half is down leaves in turn what another set ejects.
 */
export class EndpointStates {
  readonly #routes: Routes;
  readonly #health: Health;
  readonly #now: () => number;
  readonly #seen = new Map<string, Map<string, Seen>>();
  readonly #ends: readonly (() => void)[];

  /** @param now epoch ms */
  constructor(routes: Routes, health: Health, now: () => number) {
    this.#routes = routes;
    this.#health = health;
    this.#now = now;
    for (const backend of routes.backends.values()) this.#look(backend);
    this.#ends = [
      routes.subscribe((change) => this.#onChange(change)),
      // A suspect endpoint changes nothing in the table.
      health.subscribe((key) => this.#onHealth(key)),
    ];
  }

  stop(): void {
    for (const end of this.#ends) end();
    this.#seen.clear();
  }

  of(backend: BackendEntry, endpoint: Endpoint): Readonly<Seen> {
    const seen = this.#seen.get(backend.key)?.get(endpointKey(endpoint));
    return seen ?? { state: this.#stateOf(backend, endpoint), sinceMs: this.#now() };
  }

  #onChange(change: RouteChange): void {
    if (change.kind === 'backend') this.#look(change.backend);
    else if (change.kind === 'backend-gone') this.#seen.delete(change.key);
  }

  #onHealth(key: string): void {
    for (const backend of this.#routes.backends.values()) {
      if (this.#seen.get(backend.key)?.has(key)) this.#look(backend);
    }
  }

  #look(backend: BackendEntry): void {
    const before = this.#seen.get(backend.key);
    const now = new Map<string, Seen>();
    for (const endpoint of backend.endpoints) {
      const key = endpointKey(endpoint);
      const state = this.#stateOf(backend, endpoint);
      const known = before?.get(key);
      now.set(key, known?.state === state ? known : { state, sinceMs: this.#now() });
    }
    this.#seen.set(backend.key, now);
  }

  #stateOf(backend: BackendEntry, endpoint: Endpoint): EndpointState {
    if (backend.ejected.includes(endpointKey(endpoint))) return 'ejected';
    return this.#health.isDown(endpoint) ? 'suspect' : 'up';
  }
}
