import { describeSource, type Source, sourceKey } from '../backend/backend.ts';
import { sleep } from '../core/backoff.ts';
import { AppError, messageOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { fail } from '../core/result.ts';
import type { OnUpdate, Resolver, Resolvers } from './resolver.ts';

type Update = Parameters<OnUpdate>[0];

interface Follower {
  readonly onUpdate: OnUpdate;
  /** Whether it has been told what was known when it came; until then an update only adds to that. */
  hasCaughtUp: boolean;
}

/** One watch that is under way. */
interface Held {
  readonly source: Source;
  readonly followers: Set<Follower>;
  readonly end: AbortController;
  /** What a new follower has to be told, in order: the last set, then the error that came after it. */
  lastSet?: Update;
  lastError?: Update;
  /** While the watch is without followers. */
  lingering?: AbortController;
}

export interface SourceWatchesOptions {
  readonly resolvers: Resolvers;
  readonly logger: Logger;
  /** How long a watch goes on after its last follower has left, ms. */
  readonly lingerMs?: number;
  /** Waits; ends early on abort. Never rejects. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Kinds whose descriptor has no scheme. */
const spelling: Partial<Record<Source['kind'], string>> = {
  static: 'a list of hosts',
  srv: 'a name without a port (SRV)',
};

/**
 * One resolver watch a distinct source, however many follow it: a hundred containers with one descriptor cost one.
 * A watch goes on for a while after its last follower has left, so that a container that restarts finds it warm.
 *
 *     const release = watches.follow(source, (update) => …);
 *     release();
 */
export class SourceWatches {
  readonly #options: Required<SourceWatchesOptions>;
  readonly #held = new Map<string, Held>();
  #isStopped = false;

  constructor(options: SourceWatchesOptions) {
    this.#options = { lingerMs: 30_000, sleep, ...options };
  }

  /** Why a source cannot be followed in this build; undefined where it can. */
  refusal(source: Source): AppError | undefined {
    return this.#options.resolvers[source.kind] === undefined ? notInBuild(source) : undefined;
  }

  /**
   * Follows a source. Who comes later is told what the earlier ones know: the last set, then the error since, if any.
   *
   * @param onUpdate never called synchronously, nor after the release; ERR_NOT_IN_BUILD where the kind has no resolver
   * @returns        releases the follower; may be called twice
   */
  follow(source: Source, onUpdate: OnUpdate): () => void {
    if (this.#isStopped) return () => {};
    const key = sourceKey(source);
    const held = this.#held.get(key) ?? this.#start(key, source);
    held.lingering?.abort();
    delete held.lingering;
    const follower: Follower = { onUpdate, hasCaughtUp: false };
    held.followers.add(follower);
    queueMicrotask(() => this.#catchUp(held, follower));
    return () => this.#release(key, held, follower);
  }

  /** Ends every watch at once; nobody is told anything any more. May be called twice. */
  stop(): void {
    this.#isStopped = true;
    for (const held of this.#held.values()) this.#end(held);
    this.#held.clear();
  }

  #start(key: string, source: Source): Held {
    const end = new AbortController();
    const held: Held = { source, followers: new Set(), end };
    this.#held.set(key, held);
    const resolver: Resolver | undefined = this.#options.resolvers[source.kind];
    try {
      if (resolver === undefined) throw notInBuild(source);
      resolver.watch(source, (update) => this.#update(held, update), end.signal);
    } catch (thrown) {
      this.#update(held, fail(this.#fault(source, thrown)));
    }
    return held;
  }

  #fault(source: Source, thrown: unknown): AppError {
    if (thrown instanceof AppError) return thrown;
    const message = `${describeSource(source)}: the resolver failed: ${messageOf(thrown)}`;
    this.#options.logger.error(message, { code: 'ERR_RESOLVE_FAILED' });
    return new AppError('ERR_RESOLVE_FAILED', message, { cause: thrown });
  }

  #update(held: Held, update: Update): void {
    if (update.ok) {
      held.lastSet = update;
      delete held.lastError;
    } else held.lastError = update;
    for (const follower of [...held.followers]) {
      if (follower.hasCaughtUp) this.#tell(held, follower, update);
    }
  }

  #catchUp(held: Held, follower: Follower): void {
    follower.hasCaughtUp = true;
    const { lastSet, lastError } = held;
    for (const update of [lastSet, lastError]) {
      if (update !== undefined) this.#tell(held, follower, update);
    }
  }

  /** Nothing to one that has left meanwhile; and one that throws must not keep the others from being told. */
  #tell(held: Held, follower: Follower, update: Update): void {
    if (!held.followers.has(follower)) return;
    try {
      follower.onUpdate(update);
    } catch (thrown) {
      const { source } = held;
      this.#options.logger.error(`${describeSource(source)}: an update was not taken: ${messageOf(thrown)}`, {
        backend: describeSource(source),
      });
    }
  }

  #release(key: string, held: Held, follower: Follower): void {
    if (!held.followers.delete(follower) || held.followers.size > 0 || held.end.signal.aborted) return;
    const lingering = new AbortController();
    held.lingering = lingering;
    void this.#options.sleep(this.#options.lingerMs, lingering.signal).then(() => {
      if (lingering.signal.aborted) return;
      this.#end(held);
      this.#held.delete(key);
    });
  }

  #end(held: Held): void {
    held.followers.clear();
    held.lingering?.abort();
    held.end.abort();
  }
}

function notInBuild(source: Source): AppError {
  const what = spelling[source.kind] ?? `${source.kind}://`;
  return new AppError('ERR_NOT_IN_BUILD', `${what} is not in this build: ${describeSource(source)}`);
}
