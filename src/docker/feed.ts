/**
 * The contract of the container feed: a snapshot of the running containers, kept up to date by events.
 */
import type { Container } from './container.ts';

export type ContainerChange =
  | { readonly kind: 'present'; readonly container: Container }
  | { readonly kind: 'gone'; readonly id: string };

export interface ContainerFeed {
  /** The containers that run (or are paused) now, by id. After an outage of the engine: those known last. */
  readonly containers: ReadonlyMap<string, Container>;

  /**
   * Tells of every change from now on, in order; never called synchronously from `subscribe`.
   * @returns ends the subscription; no call comes after that
   */
  subscribe(listener: (change: ContainerChange) => void): () => void;

  /**
   * Reads the whole list again. Calls that come while one is under way share its outcome.
   * @throws AppError ERR_DOCKER where the engine does not answer; the snapshot stays as it was
   */
  refresh(): Promise<void>;
}
