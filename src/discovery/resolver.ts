/**
 * Discovery turns a backend's source into a live set of endpoints.
 *
 * One resolver a source kind; each fulfils the contract below and passes `test/contract/resolver.ts`.
 *
 *     const watch = new AbortController();
 *     resolver.watch(source, (update) => { if (update.ok) use(update.value); }, watch.signal);
 *     watch.abort(); // no update comes after this
 */
import type { Source, SourceKind, SourceOf } from '../backend/backend.ts';
import type { Endpoint } from '../core/endpoint.ts';
import type { Result } from '../core/result.ts';

/**
 * @param update a set (possibly empty: an authoritative "there is none"), or the error that kept the resolver from
 *               knowing; an error says nothing about the set, so the receiver keeps the last one
 */
export type OnUpdate = (update: Result<readonly Endpoint[]>) => void;

export interface Resolver<S extends Source = Source> {
  /**
   * Follows a source until the signal aborts: the first update comes as soon as the source has answered or failed,
   * every later one when the set has changed or the state (known, failing) has. Retries by itself, for ever, with back-off.
   *
   * `onUpdate` is never called synchronously, and never after abort. `watch` does not throw.
   */
  watch(source: S, onUpdate: OnUpdate, signal: AbortSignal): void;
}

/** The resolvers of a build. A kind that is missing is refused with "not in this build". */
export type Resolvers = { readonly [K in SourceKind]?: Resolver<SourceOf<K>> };
