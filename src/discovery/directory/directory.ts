/**
 * The directory: which applications and services are registered, whoever registered them, and a source for each that
 * says where its endpoints are.
 *
 *     const directory = makeDirectory(registry, deps);
 *     directory.watch((update) => …, signal);                  // which there are
 *     new SourceWatches({ resolvers: directory.resolvers, … }) // and where
 */
import type { Source } from '../../backend/backend.ts';
import {
  applicationRoots,
  type Registered,
  readRegistrationKey,
  serviceRoot,
} from '../../backend/registration-keys.ts';
import type { Result } from '../../core/result.ts';
import type { Resolvers } from '../resolver.ts';
import type { SkippedValue } from '../values.ts';

/** One application or service, with the source of its endpoints. */
export interface Listed {
  readonly registered: Registered;
  readonly source: Source;
}

export interface Listing {
  /** By `listedKey`. */
  readonly listed: ReadonlyMap<string, Listed>;
  /** What is there and cannot be read: keys as they stand in the registry. */
  readonly skipped: readonly SkippedValue[];
}

/** An error says nothing about the listing: the last one stays. */
export type OnListing = (update: Result<Listing>) => void;

export interface Directory {
  /** The registry as an operator writes it: `etcd://10.0.0.2:2379/prefix`. */
  readonly text: string;
  /** Resolvers of the sources that the listing names, by the contract of `resolver.ts`, while `watch` is under way. */
  readonly resolvers: Resolvers;
  /**
   * Follows the listing until the signal aborts: told when the registry has been read, on each change, and on failures.
   * Never called synchronously, nor after abort. Once only.
   */
  watch(onListing: OnListing, signal: AbortSignal): void;
  /** What a source is, that an earlier run has known; undefined where it is not of this directory. */
  recall(source: Source): Registered | undefined;
}

/** Equal for the same application or service. */
export function listedKey(registered: Registered): string {
  return registered.kind === 'application' ? registered.domain : `${registered.name}/${registered.port}`;
}

/** What `registeredPath` was made from. */
export function recallPath(prefix: string, path: string): Registered | undefined {
  for (const root of [applicationRoots[0], serviceRoot]) {
    if (!path.startsWith(`${prefix}${root}/`)) continue;
    const reading = readRegistrationKey(root, `${path.slice(prefix.length + root.length + 1)}/id`);
    if (reading.kind === 'endpoint' && reading.address === undefined) return reading.registered;
  }
  return undefined;
}
