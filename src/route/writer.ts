import {
  type Backend,
  backendKey,
  describeSource,
  type Source,
  withDialledPort,
} from '../backend/backend.ts';
import type { Caller, CallerChange } from '../caller/caller.ts';
import { isLoopbackOrLinkLocal, isUnspecified } from '../core/address.ts';
import { canonicalSet, type Endpoint, endpointKey, sameSet } from '../core/endpoint.ts';
import type { AppError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type { OnUpdate } from '../discovery/resolver.ts';
import { ejectedOf } from '../health/ejection.ts';
import type { EndpointHealth } from '../health/endpoint-health.ts';
import { anyCaller, type BackendEntry, type RouteTable, type RouteTarget } from './table.ts';

/** What the writer needs of discovery: one watch a source, however many follow it. */
export interface SourceFollower {
  /** Why a source cannot be followed at all; undefined where it can. */
  refusal(source: Source): AppError | undefined;
  /** @returns releases this follower; no update comes after that */
  follow(source: Source, onUpdate: OnUpdate): () => void;
}

/** What the writer needs of the health of endpoints. */
export type HealthSource = Pick<EndpointHealth, 'isDown' | 'check' | 'subscribe'>;

export interface RouteWriterOptions {
  readonly table: RouteTable;
  readonly sources: SourceFollower;
  readonly health: HealthSource;
  readonly logger: Logger;
  /** Whether descriptors may lead to loopback and link-local addresses: those are the ambassador's, not the caller's. */
  readonly allowLocalTargets: boolean;
}

interface HeldBackend {
  entry: BackendEntry;
  users: number;
  release: () => void;
}

/**
 * The one writer of the route table: takes callers and their descriptors in, follows each distinct backend once, and
 * applies what changes. A backend is in the table before the first route that leads to it and until after the last one.
 * An error of a source keeps the endpoints that were known.
 */
export class RouteWriter {
  readonly #options: RouteWriterOptions;
  readonly #backends = new Map<string, HeldBackend>();
  readonly #keysOf = new Map<string, readonly string[]>();
  readonly #unsubscribe: () => void;

  constructor(options: RouteWriterOptions) {
    this.#options = options;
    this.#unsubscribe = options.health.subscribe((key) => this.#healthChanged(key));
  }

  /** Takes in what has become of a container. */
  applyCaller(change: CallerChange): void {
    if (change.kind === 'caller') this.#setCaller(change.caller);
    else this.#dropCaller(change.id);
  }

  /**
   * Leads every caller to the same backends: the static forward.
   *
   * @param backends by the port that callers dial
   * @throws AppError ERR_NOT_IN_BUILD where a backend asks for what this build has not
   */
  forwardAll(backends: ReadonlyMap<number, Backend>): void {
    const routes = new Map<number, Result<Backend>>();
    for (const [port, backend] of backends) {
      const route = this.#usable(ok(withDialledPort(backend, port)));
      if (!route.ok) throw route.error;
      routes.set(port, route);
    }
    this.#setCaller({ id: anyCaller, name: 'any', addresses: [], routes });
  }

  /** Ends every watch and empties the table. */
  stop(): void {
    for (const id of [...this.#keysOf.keys()]) this.#dropCaller(id);
    this.#unsubscribe();
  }

  #setCaller(caller: Caller): void {
    const targets = new Map<number, RouteTarget>();
    const keys: string[] = [];
    for (const [port, route] of caller.routes) {
      const usable = this.#usable(route);
      if (!usable.ok) {
        targets.set(port, { kind: 'refused', code: usable.error.code, reason: usable.error.message });
        continue;
      }
      const key = this.#hold(usable.value);
      keys.push(key);
      targets.set(port, { kind: 'backend', backendKey: key });
    }
    const before = this.#keysOf.get(caller.id) ?? [];
    this.#keysOf.set(caller.id, keys);
    this.#options.table.apply({ kind: 'caller', caller: { ...caller, routes: targets } });
    for (const key of before) this.#letGo(key);
  }

  #dropCaller(id: string): void {
    const keys = this.#keysOf.get(id);
    if (keys === undefined) return;
    this.#keysOf.delete(id);
    this.#options.table.apply({ kind: 'caller-gone', id });
    for (const key of keys) this.#letGo(key);
  }

  /** A source that this build has no resolver for is refused at once. */
  #usable(route: Result<Backend>): Result<Backend> {
    if (!route.ok) return route;
    const refusal = this.#options.sources.refusal(route.value.source);
    return refusal === undefined ? route : fail(refusal);
  }

  #hold(backend: Backend): string {
    const key = backendKey(backend);
    const held = this.#backends.get(key);
    if (held !== undefined) {
      held.users++;
      return key;
    }
    const text = describeSource(backend.source);
    const entry: BackendEntry = {
      key,
      text,
      options: backend.options,
      isResolved: false,
      endpoints: [],
      ejected: [],
    };
    const fresh: HeldBackend = { entry, users: 1, release: () => {} };
    this.#backends.set(key, fresh);
    this.#options.table.apply({ kind: 'backend', backend: entry });
    fresh.release = this.#options.sources.follow(backend.source, (update) => this.#update(fresh, update));
    return key;
  }

  #letGo(key: string): void {
    const held = this.#backends.get(key);
    if (held === undefined || --held.users > 0) return;
    held.release();
    this.#check(held.entry, []);
    this.#backends.delete(key);
    this.#options.table.apply({ kind: 'backend-gone', key });
  }

  #update(held: HeldBackend, update: Result<readonly Endpoint[]>): void {
    const before = held.entry;
    const { problem: _, ...rest } = before;
    const now: BackendEntry = update.ok
      ? { ...rest, isResolved: true, ...this.#permitted(update.value) }
      : { ...rest, isResolved: true, problem: update.error.message };
    // The same array stays where nothing changed, so that round robin goes on where it was.
    const isSame = sameSet(before.endpoints, now.endpoints);
    held.entry = isSame ? { ...now, endpoints: before.endpoints } : { ...now, ...this.#health(now) };
    if (!isSame) this.#check(held.entry, now.endpoints);
    this.#tell(before, held.entry);
    this.#options.table.apply({ kind: 'backend', backend: held.entry });
  }

  #check({ key, options }: BackendEntry, endpoints: readonly Endpoint[]): void {
    const { checkMs, checkHost } = options;
    if (checkMs !== undefined) this.#options.health.check(key, endpoints, checkMs, checkHost);
  }

  #healthChanged(key: string): void {
    for (const held of this.#backends.values()) {
      if (!held.entry.endpoints.some((candidate) => endpointKey(candidate) === key)) continue;
      const before = held.entry;
      const { ejected, down } = this.#health(before);
      const isSame = ejected.join() === before.ejected.join();
      if (isSame && down.join() === (before.down ?? []).join()) continue;
      // As with the endpoints: the same array stays where nothing changed.
      held.entry = { ...before, ejected: isSame ? before.ejected : ejected, down };
      this.#options.table.apply({ kind: 'backend', backend: held.entry });
    }
  }

  #health({ endpoints, options }: BackendEntry): Required<Pick<BackendEntry, 'ejected' | 'down'>> {
    const { checkHost } = options;
    const isDown = (candidate: Endpoint) => this.#options.health.isDown(candidate, checkHost);
    return {
      ejected: ejectedOf(endpoints, isDown, checkHost !== undefined).map(endpointKey),
      down: endpoints.filter(isDown).map(endpointKey),
    };
  }

  #permitted(endpoints: readonly Endpoint[]): Pick<BackendEntry, 'endpoints' | 'problem'> {
    const permitted = endpoints.filter(
      ({ ip }) => !isUnspecified(ip) && (this.#options.allowLocalTargets || !isLoopbackOrLinkLocal(ip)),
    );
    if (permitted.length === endpoints.length) return { endpoints: canonicalSet(endpoints) };
    const refused = endpoints.filter((candidate) => !permitted.includes(candidate)).map(endpointKey);
    const problem = `refused ${refused.join(', ')}: loopback and link-local addresses are the ambassador's own (--allow-local-targets permits them)`;
    return { endpoints: canonicalSet(permitted), problem };
  }

  #tell(before: BackendEntry, now: BackendEntry): void {
    const { logger } = this.#options;
    if (now.problem !== undefined && now.problem !== before.problem) {
      const keeps =
        now.endpoints.length === 0
          ? 'it has no endpoint'
          : `its last ${now.endpoints.length} endpoint(s) stay`;
      logger.warn(`backend ${now.text}: ${now.problem}; ${keeps}`, { backend: now.text });
    }
    if (now.problem !== undefined) return;
    const isBack = before.problem !== undefined;
    if (now.endpoints === before.endpoints && before.isResolved && !isBack) return;
    const list = now.endpoints.map((e) => (e.name === e.ip ? endpointKey(e) : `${e.name} ${endpointKey(e)}`));
    const again = isBack ? ' (its source answers again)' : '';
    logger.info(`backend ${now.text}: ${list.join(', ') || 'no endpoint'}${again}`, { backend: now.text });
  }
}
