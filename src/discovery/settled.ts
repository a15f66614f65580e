import type { Source } from '../backend/backend.ts';
import { type Endpoint, sameSet } from '../core/endpoint.ts';
import { ok } from '../core/result.ts';
import type { OnUpdate, Resolver } from './resolver.ts';

/** A change is told when nothing has changed for this long, ms. */
const quietMs = 100;
/** However much changes, it is told after this long, ms; an empty set always waits as long. */
const maxMs = 1000;

/**
 * A resolver whose changes settle before they are told: a deploy rewrites ten keys, docker-register deletes and rewrites
 * its key each second. The first set, errors, and what follows an error come through at once.
 */
export function settled<S extends Source>(resolver: Resolver<S>): Resolver<S> {
  return {
    watch(source, onUpdate, signal) {
      const settling = new Settling(onUpdate);
      signal.addEventListener('abort', () => settling.stop(), { once: true });
      resolver.watch(source, (update) => settling.take(update), signal);
    },
  };
}

class Settling {
  readonly #onUpdate: OnUpdate;
  #told: readonly Endpoint[] | undefined;
  #isFailing = false;
  #pending: { readonly set: readonly Endpoint[]; readonly since: number } | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(onUpdate: OnUpdate) {
    this.#onUpdate = onUpdate;
  }

  take(update: Parameters<OnUpdate>[0]): void {
    if (!update.ok) {
      this.#flush();
      this.#isFailing = true;
      this.#onUpdate(update);
    } else if (this.#told === undefined || this.#isFailing) {
      this.#tell(update.value);
    } else if (sameSet(this.#told, update.value)) {
      this.#drop();
    } else {
      this.#wait(update.value);
    }
  }

  stop(): void {
    this.#drop();
  }

  #wait(set: readonly Endpoint[]): void {
    const now = performance.now();
    const since = this.#pending?.since ?? now;
    this.#pending = { set, since };
    clearTimeout(this.#timer);
    const longest = since + maxMs - now;
    this.#timer = setTimeout(() => this.#flush(), set.length === 0 ? longest : Math.min(quietMs, longest));
  }

  #flush(): void {
    const pending = this.#pending;
    if (pending !== undefined) this.#tell(pending.set);
  }

  #drop(): void {
    clearTimeout(this.#timer);
    this.#pending = undefined;
  }

  #tell(set: readonly Endpoint[]): void {
    this.#drop();
    this.#told = set;
    this.#isFailing = false;
    this.#onUpdate(ok(set));
  }
}
