import type { Source } from '../../src/backend/backend.ts';
import { canonicalSet, type Endpoint } from '../../src/core/endpoint.ts';
import type { AppError } from '../../src/core/errors.ts';
import { fail, ok, type Result } from '../../src/core/result.ts';
import type { OnUpdate, Resolver } from '../../src/discovery/resolver.ts';

/**
 * A resolver in the hands of a test; every watch is told the same, whatever the source. It passes the contract's suite.
 *
 *     const resolver = new FakeResolver();
 *     resolver.set([endpoint('10.0.0.1', 80)]);
 */
export class FakeResolver implements Resolver {
  readonly #tellers = new Set<() => void>();
  #state: Result<readonly Endpoint[]> | undefined;

  /** How many watches there are. */
  get watches(): number {
    return this.#tellers.size;
  }

  /** What every watch is told from now on, where it is another set than before. */
  set(endpoints: readonly Endpoint[]): void {
    this.#become(ok(canonicalSet(endpoints)));
  }

  fail(error: AppError): void {
    this.#become(fail(error));
  }

  watch(_source: Source, onUpdate: OnUpdate, signal: AbortSignal): void {
    if (signal.aborted) return;
    let told: string | undefined;
    const tell = () =>
      queueMicrotask(() => {
        const state = this.#state;
        const text = JSON.stringify(state);
        if (signal.aborted || state === undefined || text === told) return;
        told = text;
        onUpdate(state);
      });
    this.#tellers.add(tell);
    signal.addEventListener('abort', () => this.#tellers.delete(tell), { once: true });
    tell();
  }

  #become(state: Result<readonly Endpoint[]>): void {
    this.#state = state;
    for (const tell of this.#tellers) tell();
  }
}
