import { canonicalIp } from '../core/address.ts';
import { sleep } from '../core/backoff.ts';
import { canonicalSet, type Endpoint, endpoint, sameSet } from '../core/endpoint.ts';
import { AppError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { fail, ok } from '../core/result.ts';
import type { AddressLookup } from './dns/addresses.ts';
import { type HostState, watchHost } from './dns/host-watch.ts';
import type { FollowHosts, NamedEndpoint } from './named-endpoint.ts';
import type { OnUpdate } from './resolver.ts';

export interface FollowHostsDeps {
  readonly addresses: AddressLookup;
  readonly logger: Logger;
  /** Waits; ends early on abort. Never rejects. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** How long names that have not answered yet are waited for, ms. */
const answersMs = 3000;

/**
 * The FollowHosts that looks names up through `addresses`, each on a timer of its own.
 *
 * The first update waits until every name has answered or failed once, 3 s at most: connections would otherwise all begin
 * with whichever is quickest. A later list is told with what is known of it; while that is nothing and a name is still
 * pending, the set from before stays (3 s at most, then an error). A name that stays in the list keeps its watch and its
 * addresses; one that fails keeps its last addresses while the others go on. An error is told only while nothing at all
 * of the list has been known. The set keeps the order of the list within a priority.
 *
 *     const setList = followHosts({ addresses, logger })(onUpdate, signal);
 *     setList([{ host: 'redis-1', port: 6379, name: 'a', weight: 1, priority: 0, tags: [] }]);
 */
export function followHosts(deps: FollowHostsDeps): FollowHosts {
  const all = { sleep, ...deps };
  return (onUpdate, signal) => {
    const hosts = new HostList(all, onUpdate);
    signal.addEventListener('abort', () => hosts.stop(), { once: true });
    if (signal.aborted) hosts.stop();
    return (list) => hosts.set(list);
  };
}

/** A name of the list, for as long as it is in it. */
interface WatchedHost {
  state: HostState;
  readonly end: AbortController;
}

/** The list as it is now, the states of its names, and what has been told of them. */
class HostList {
  readonly #deps: Required<FollowHostsDeps>;
  readonly #onUpdate: OnUpdate;
  readonly #hosts = new Map<string, WatchedHost>();
  #list: readonly NamedEndpoint[] = [];
  #isStopped = false;
  /** While names are waited for; aborted when the last of them has answered. */
  #waiting: AbortController | undefined;
  /** Whether a set has been told since the list came: from then on an empty one is the truth. */
  #isListTold = false;
  #isFailing = false;
  #toldSet: readonly Endpoint[] | undefined;

  constructor(deps: Required<FollowHostsDeps>, onUpdate: OnUpdate) {
    this.#deps = deps;
    this.#onUpdate = onUpdate;
  }

  set(list: readonly NamedEndpoint[]): void {
    if (this.#isStopped) return;
    this.#list = list;
    this.#isListTold = false;
    const names = new Set(list.map(({ host }) => host).filter((host) => canonicalIp(host) === undefined));
    for (const [name, host] of this.#hosts) {
      if (names.has(name)) continue;
      host.end.abort();
      this.#hosts.delete(name);
    }
    for (const name of names) if (!this.#hosts.has(name)) this.#watch(name);
    if (this.#waiting === undefined) void this.#wait();
    else if (this.#hasPending()) queueMicrotask(() => this.#tellEarly());
    else this.#waiting.abort();
  }

  stop(): void {
    this.#isStopped = true;
    for (const host of this.#hosts.values()) host.end.abort();
    this.#hosts.clear();
    this.#waiting?.abort();
  }

  #watch(name: string): void {
    const host: WatchedHost = { state: { kind: 'pending' }, end: new AbortController() };
    this.#hosts.set(name, host);
    const take = (state: HostState) => {
      report(name, host.state, state, this.#deps.logger);
      host.state = state;
      if (this.#waiting === undefined) this.#tell();
      else if (this.#hasPending()) this.#tellEarly();
      else this.#waiting.abort();
    };
    void watchHost(name, this.#deps, take, host.end.signal);
  }

  #hasPending(): boolean {
    return [...this.#hosts.values()].some(({ state }) => state.kind === 'pending');
  }

  /** The first wait is for the whole first set, a later one only for something to be known. */
  async #wait(): Promise<void> {
    this.#waiting = new AbortController();
    await undefined;
    this.#tellEarly();
    while (this.#hasPending()) {
      const { signal } = this.#waiting;
      await this.#deps.sleep(answersMs, signal);
      if (!signal.aborted) break;
      // All have answered, but another list may have come in the same moment.
      this.#waiting = new AbortController();
    }
    this.#waiting = undefined;
    this.#tell();
  }

  /** Names are pending: what is known is told, unless nothing has been told at all so far, or nothing is known. */
  #tellEarly(): void {
    const isFirst = this.#toldSet === undefined && !this.#isFailing;
    if (!isFirst && this.#known().length > 0) this.#tell();
  }

  #tell(): void {
    if (this.#isStopped) return;
    const set = this.#known();
    const problem = set.length === 0 && !this.#isListTold ? this.#problem() : undefined;
    if (problem !== undefined) {
      if (this.#isFailing) return;
      this.#isFailing = true;
      this.#onUpdate(fail(problem));
      return;
    }
    this.#isListTold = true;
    if (!this.#isFailing && this.#toldSet !== undefined && sameSet(this.#toldSet, set)) return;
    this.#isFailing = false;
    this.#toldSet = set;
    this.#onUpdate(ok(set));
  }

  #known(): readonly Endpoint[] {
    return canonicalSet(
      this.#list.flatMap(({ host, port, ...rest }) => {
        const watched = this.#hosts.get(host);
        if (watched === undefined) return [endpoint(canonicalIp(host) ?? host, port, rest)];
        const { state } = watched;
        return state.kind === 'known' ? state.addresses.map((ip) => endpoint(ip, port, rest)) : [];
      }),
    );
  }

  /** Why an empty set may not be the truth. */
  #problem(): AppError | undefined {
    for (const [name, { state }] of this.#hosts) {
      if (state.kind === 'unknown') return state.error;
      if (state.kind === 'pending') return new AppError('ERR_RESOLVE_FAILED', `no answer yet for "${name}"`);
    }
    return undefined;
  }
}

/** The set keeps quiet about a name that fails while its addresses stay; the log does not. */
function report(name: string, before: HostState, now: HostState, logger: Logger): void {
  const had = before.kind === 'known' ? before.problem : undefined;
  const has = now.kind === 'known' ? now.problem : undefined;
  const fields = { code: 'ERR_RESOLVE_FAILED' };
  if (now.kind === 'unknown' && before.kind === 'pending') {
    logger.warn(`${now.error.message}; asked again until it answers`, fields);
  } else if (has !== undefined && had === undefined) {
    logger.warn(`${has.message}; its last addresses stay`, fields);
  } else if (now.kind === 'known' && has === undefined && (had !== undefined || before.kind === 'unknown')) {
    logger.info(`"${name}" is resolved again`);
  }
}
