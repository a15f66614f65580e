import type { HostPort, SourceOf } from '../backend/backend.ts';
import { canonicalIp } from '../core/address.ts';
import { sleep } from '../core/backoff.ts';
import { canonicalSet, type Endpoint, endpoint, sameSet } from '../core/endpoint.ts';
import { AppError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { fail, ok } from '../core/result.ts';
import type { AddressLookup } from './dns/addresses.ts';
import { type HostState, watchHost } from './dns/host-watch.ts';
import type { OnUpdate, Resolver } from './resolver.ts';

export interface StaticResolverDeps {
  readonly addresses: AddressLookup;
  readonly logger: Logger;
  /** Waits; ends early on abort. Never rejects. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** How long the first update waits for the names that have not answered, ms. */
const firstAnswersMs = 3000;

/**
 * A list in the descriptor itself: `redis-1:6379,10.0.0.5:6379`. An IP address stands for itself; a name for all its
 * addresses, asked for again on a timer of its own. The set keeps the order of the list.
 *
 * The first update waits until every name has answered or failed once, 3 s at most: connections would otherwise all
 * begin with whichever is quickest. A name that fails keeps its last addresses while the others go on; an error is told
 * only while nothing at all is known.
 */
export class StaticResolver implements Resolver<SourceOf<'static'>> {
  readonly #deps: Required<StaticResolverDeps>;

  constructor(deps: StaticResolverDeps) {
    this.#deps = { sleep, ...deps };
  }

  watch(source: SourceOf<'static'>, onUpdate: OnUpdate, signal: AbortSignal): void {
    if (signal.aborted) return;
    const list = new ListWatch(source.endpoints, this.#deps, onUpdate);
    signal.addEventListener('abort', () => list.stop(), { once: true });
    list.start();
  }
}

/** One watched list: the states of its names, and what has been told of them. */
class ListWatch {
  readonly #endpoints: readonly HostPort[];
  readonly #deps: Required<StaticResolverDeps>;
  readonly #onUpdate: OnUpdate;
  readonly #states: Map<string, HostState>;
  readonly #end = new AbortController();
  readonly #allAnswered = new AbortController();
  #isTelling = false;
  #isFailing = false;
  #toldSet: readonly Endpoint[] | undefined;

  constructor(endpoints: readonly HostPort[], deps: Required<StaticResolverDeps>, onUpdate: OnUpdate) {
    this.#endpoints = endpoints;
    this.#deps = deps;
    this.#onUpdate = onUpdate;
    const names = endpoints.map(({ host }) => host).filter((host) => canonicalIp(host) === undefined);
    this.#states = new Map(names.map((name) => [name, { kind: 'pending' }]));
  }

  start(): void {
    for (const name of this.#states.keys()) {
      void watchHost(name, this.#deps, (state) => this.#take(name, state), this.#end.signal);
    }
    void this.#begin();
  }

  stop(): void {
    this.#end.abort();
    this.#allAnswered.abort();
  }

  async #begin(): Promise<void> {
    if (this.#states.size > 0) await this.#deps.sleep(firstAnswersMs, this.#allAnswered.signal);
    else await undefined;
    this.#isTelling = true;
    this.#tell();
  }

  #take(name: string, state: HostState): void {
    this.#report(name, this.#states.get(name), state);
    this.#states.set(name, state);
    if (this.#isTelling) this.#tell();
    else if (![...this.#states.values()].some(({ kind }) => kind === 'pending')) this.#allAnswered.abort();
  }

  #tell(): void {
    if (this.#end.signal.aborted) return;
    const set = this.#known();
    const problem = set.length === 0 && this.#toldSet === undefined ? this.#problem() : undefined;
    if (problem !== undefined) {
      if (!this.#isFailing) this.#onUpdate(fail(problem));
      this.#isFailing = true;
    } else if (this.#toldSet === undefined || !sameSet(this.#toldSet, set)) {
      this.#toldSet = set;
      this.#onUpdate(ok(set));
    }
  }

  #known(): readonly Endpoint[] {
    return canonicalSet(
      this.#endpoints.flatMap(({ host, port }) => {
        const state = this.#states.get(host);
        if (state === undefined) return [endpoint(canonicalIp(host) ?? host, port, { name: host })];
        return state.kind === 'known' ? state.addresses.map((ip) => endpoint(ip, port, { name: host })) : [];
      }),
    );
  }

  /** Why an empty set may not be the truth. */
  #problem(): AppError | undefined {
    for (const [name, state] of this.#states) {
      if (state.kind === 'unknown') return state.error;
      if (state.kind === 'pending') {
        return new AppError('ERR_RESOLVE_FAILED', `no answer yet for "${name}"`);
      }
    }
    return undefined;
  }

  /** The set keeps quiet about a name that fails while its addresses stay; the log does not. */
  #report(name: string, before: HostState | undefined, now: HostState): void {
    const had = before?.kind === 'known' ? before.problem : undefined;
    const has = now.kind === 'known' ? now.problem : undefined;
    const fields = { code: 'ERR_RESOLVE_FAILED' };
    if (now.kind === 'unknown' && before?.kind === 'pending') {
      this.#deps.logger.warn(`${now.error.message}; asked again until it answers`, fields);
    } else if (has !== undefined && had === undefined) {
      this.#deps.logger.warn(`${has.message}; its last addresses stay`, fields);
    } else if (
      now.kind === 'known' &&
      has === undefined &&
      (had !== undefined || before?.kind === 'unknown')
    ) {
      this.#deps.logger.info(`"${name}" is resolved again`);
    }
  }
}
