import type { Logger } from '../core/log.ts';
import type { Part } from '../core/part.ts';
import type { Container } from '../docker/container.ts';
import type { ContainerChange, ContainerFeed } from '../docker/feed.ts';
import type { Caller, CallerChange } from './caller.ts';
import { type RouteOptions, type Routes, readRoutes } from './routes.ts';

export interface CallersOptions extends RouteOptions {
  readonly feed: Pick<ContainerFeed, 'containers' | 'subscribe'>;
  readonly logger: Logger;
}

interface Entry {
  /** As told to the subscribers. */
  readonly caller: Caller;
  /** Every address that the feed says the container has, also those that a newer container has taken over. */
  readonly claimed: readonly string[];
}

/**
 * The callers of this host, from the container feed: every container that has an address of its own, also one without a
 * single route (its connections are refused by name). An address belongs to the container that came with it last.
 */
export class Callers implements Part {
  readonly #options: CallersOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #byAddress = new Map<string, string>();
  readonly #listeners = new Set<(change: CallerChange) => void>();
  #unsubscribe: (() => void) | undefined;

  constructor(options: CallersOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { feed } = this.#options;
    for (const container of feed.containers.values()) this.#present(container);
    this.#unsubscribe = feed.subscribe((change) => this.#onChange(change));
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    this.#listeners.clear();
  }

  /** The callers as they have been told to the subscribers, by container id. */
  all(): ReadonlyMap<string, Caller> {
    return new Map([...this.#entries].map(([id, { caller }]) => [id, caller]));
  }

  /** @param ip canonical */
  find(ip: string): Caller | undefined {
    const id = this.#byAddress.get(ip);
    return id === undefined ? undefined : this.#entries.get(id)?.caller;
  }

  /**
   * Tells of every change, in order; begins, before it returns, with the callers that there are.
   * @returns ends the subscription
   */
  subscribe(listener: (change: CallerChange) => void): () => void {
    for (const { caller } of this.#entries.values()) listener({ kind: 'caller', caller });
    const entry = (change: CallerChange) => listener(change);
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

  #onChange(change: ContainerChange): void {
    if (change.kind === 'present') this.#present(change.container);
    else this.#gone(change.id);
  }

  #present(container: Container): void {
    const addresses = [...new Set(container.networks.flatMap((network) => network.addresses))];
    // Of the host's network, or another container's: its connections come from an address that is not its own.
    if (addresses.length === 0) {
      this.#gone(container.id);
      return;
    }

    const { id, name, pid } = container;
    const known = this.#entries.get(id);
    // Environment and labels cannot change while a container lives.
    const isKnown = known?.caller.name === name && (known.caller.pid ?? 0) === pid;
    if (isKnown && known.claimed.join() === addresses.join()) return;
    const routes = this.#routes(container, known);
    for (const address of addresses) {
      // An address that a newer container has taken over does not come back because the older one is told of again.
      if (known === undefined || !known.claimed.includes(address)) this.#takeOver(address, id);
    }
    const owned = addresses.filter((address) => this.#byAddress.get(address) === id);
    const process = pid === 0 ? {} : { pid };
    this.#store({ caller: { id, name, ...process, addresses: owned, routes }, claimed: addresses });
  }

  /** Environment and labels are read, and their faults logged, once a run; after a rename the messages change, quietly. */
  #routes(container: Container, known: Entry | undefined): Caller['routes'] {
    if (known?.caller.name === container.name) return known.caller.routes;
    const read = readRoutes(container, this.#options);
    if (known === undefined) this.#logFaults(container.name, read);
    return read.routes;
  }

  #logFaults(name: string, { routes, problems }: Routes): void {
    const { logger } = this.#options;
    for (const [port, route] of routes) {
      if (route.ok) continue;
      logger.warn(`${route.error.message}; port ${port} is refused`, {
        caller: name,
        code: route.error.code,
      });
    }
    for (const problem of problems) {
      const level = problem.code === 'ERR_NO_ROUTE' ? 'info' : 'warn';
      logger[level](problem.message, { caller: name, code: problem.code });
    }
  }

  /** Takes an address away from the container that had it before. */
  #takeOver(address: string, id: string): void {
    const owner = this.#byAddress.get(address);
    this.#byAddress.set(address, id);
    const entry = owner === undefined || owner === id ? undefined : this.#entries.get(owner);
    if (entry === undefined) return;
    const addresses = entry.caller.addresses.filter((other) => other !== address);
    this.#store({ ...entry, caller: { ...entry.caller, addresses } });
  }

  #store(entry: Entry): void {
    const { id, addresses } = entry.caller;
    this.#forgetAddresses(id);
    for (const address of addresses) this.#byAddress.set(address, id);
    this.#entries.set(id, entry);
    this.#emit({ kind: 'caller', caller: entry.caller });
  }

  #gone(id: string): void {
    if (!this.#entries.has(id)) return;
    this.#forgetAddresses(id);
    this.#entries.delete(id);
    this.#emit({ kind: 'caller-gone', id });
  }

  #forgetAddresses(id: string): void {
    for (const address of this.#entries.get(id)?.caller.addresses ?? []) {
      if (this.#byAddress.get(address) === id) this.#byAddress.delete(address);
    }
  }

  #emit(change: CallerChange): void {
    for (const listener of [...this.#listeners]) {
      if (this.#listeners.has(listener)) listener(change);
    }
  }
}
