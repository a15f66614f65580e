/**
 * The route table: (caller, port) -> backend -> endpoints. It is all that a data plane reads.
 *
 * The control plane writes it as a sequence of changes, each plain data. A second reader (a worker thread, the kernel's
 * maps) begins with `snapshot`, is fed by `subscribe`, and keeps a table of its own by `apply`.
 *
 *     table.apply({ kind: 'caller', caller: { id, name, addresses: ['10.0.0.5'], routes: new Map([[6379, target]]) } });
 *     table.find('10.0.0.5', 6379);
 */
import type { BackendOptions } from '../backend/backend.ts';
import type { Endpoint } from '../core/endpoint.ts';
import type { ErrorCode } from '../core/errors.ts';

/** What a caller's port leads to. */
export type RouteTarget =
  | { readonly kind: 'backend'; readonly backendKey: string }
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly reason: string };

export interface CallerEntry {
  /** The container's id; of the static forward, `anyCaller`. */
  readonly id: string;
  readonly name: string;
  /** Of the container's first process, in the engine's process namespace: the way to its network namespace. */
  readonly pid?: number | undefined;
  /** Canonical addresses. */
  readonly addresses: readonly string[];
  readonly routes: ReadonlyMap<number, RouteTarget>;
}

export interface BackendEntry {
  readonly key: string;
  /** The descriptor's source, for log lines. */
  readonly text: string;
  readonly options: BackendOptions;
  /** False until the source has answered for the first time: a connection may wait for it. */
  readonly isResolved: boolean;
  /** In canonical form (`canonicalSet`). */
  readonly endpoints: readonly Endpoint[];
  /** Keys (`endpointKey`) of the endpoints that are dialled only when all others have failed. */
  readonly ejected: readonly string[];
  /** Keys of all that are down at present, however many: for a reader that cannot try another one. Absent: none. */
  readonly down?: readonly string[];
  /** Why the source cannot be read at present; the endpoints are then the last ones known. */
  readonly problem?: string;
}

export type RouteChange =
  | { readonly kind: 'caller'; readonly caller: CallerEntry }
  | { readonly kind: 'caller-gone'; readonly id: string }
  | { readonly kind: 'backend'; readonly backend: BackendEntry }
  | { readonly kind: 'backend-gone'; readonly key: string };

export type RouteLookup =
  | { readonly kind: 'found'; readonly caller: CallerEntry; readonly backend: BackendEntry }
  | {
      readonly kind: 'refused';
      readonly caller: CallerEntry;
      readonly code: ErrorCode;
      readonly reason: string;
    }
  | { readonly kind: 'unknown-caller' };

/** A caller entry with this id answers for every address that has no entry of its own (static forward). */
export const anyCaller = '*';

/** What a data plane may do with the table. */
export interface RouteReader {
  find(callerIp: string, port: number): RouteLookup;
  /** The backend as it stands now; undefined once nothing leads to it any more. */
  backend(key: string): BackendEntry | undefined;
  /**
   * Tells of every change from now on, after it has been applied.
   * @returns ends the subscription
   */
  subscribe(listener: (change: RouteChange) => void): () => void;
  /** The changes that make an empty table equal to this one: what a second reader begins with. */
  snapshot(): RouteChange[];
}

export class RouteTable implements RouteReader {
  readonly #callers = new Map<string, CallerEntry>();
  readonly #byAddress = new Map<string, CallerEntry>();
  readonly #backends = new Map<string, BackendEntry>();
  readonly #listeners = new Set<(change: RouteChange) => void>();

  find(callerIp: string, port: number): RouteLookup {
    const caller = this.#byAddress.get(callerIp) ?? this.#callers.get(anyCaller);
    if (caller === undefined) return { kind: 'unknown-caller' };
    const target = caller.routes.get(port);
    if (target === undefined) {
      const reason = `no backend is named for port ${port} (set BACKEND_${port} on the container)`;
      return { kind: 'refused', caller, code: 'ERR_NO_ROUTE', reason };
    }
    if (target.kind === 'refused') return { ...target, caller };
    const backend = this.#backends.get(target.backendKey);
    if (backend === undefined) {
      return { kind: 'refused', caller, code: 'ERR_NO_ENDPOINT', reason: 'the backend is not in the table' };
    }
    return { kind: 'found', caller, backend };
  }

  backend(key: string): BackendEntry | undefined {
    return this.#backends.get(key);
  }

  get callers(): ReadonlyMap<string, CallerEntry> {
    return this.#callers;
  }

  get backends(): ReadonlyMap<string, BackendEntry> {
    return this.#backends;
  }

  /** Takes a change in and tells every subscriber. */
  apply(change: RouteChange): void {
    switch (change.kind) {
      case 'caller':
        this.#forgetAddresses(change.caller.id);
        this.#callers.set(change.caller.id, change.caller);
        for (const address of change.caller.addresses) this.#byAddress.set(address, change.caller);
        break;
      case 'caller-gone':
        this.#forgetAddresses(change.id);
        this.#callers.delete(change.id);
        break;
      case 'backend':
        this.#backends.set(change.backend.key, change.backend);
        break;
      case 'backend-gone':
        this.#backends.delete(change.key);
        break;
    }
    for (const listener of [...this.#listeners]) listener(change);
  }

  subscribe(listener: (change: RouteChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  snapshot(): RouteChange[] {
    return [
      ...[...this.#backends.values()].map((backend) => ({ kind: 'backend' as const, backend })),
      ...[...this.#callers.values()].map((caller) => ({ kind: 'caller' as const, caller })),
    ];
  }

  /** An address that another caller has taken over meanwhile stays with that one. */
  #forgetAddresses(id: string): void {
    const entry = this.#callers.get(id);
    for (const address of entry?.addresses ?? []) {
      if (this.#byAddress.get(address)?.id === id) this.#byAddress.delete(address);
    }
  }
}
