import type { Part } from '../core/part.ts';

/**
 * Holds entries in a registry for as long as it runs: what is missing there is written, what is ours and not wanted any
 * more is removed, what is somebody else's is left alone. After `stop` none is left, or, where the registry cannot be
 * reached then, none for longer than the registry's own bound.
 */
export interface EntryKeeper<Entry> extends Part {
  /** From now on these, by key, and no others. May be called at any time; never throws. */
  hold(entries: ReadonlyMap<string, Entry>): void;
  /** How it stands, for whoever asks about health. */
  readonly state: KeeperState;
}

export interface KeeperState {
  /** Whether the registry answers. */
  readonly isConnected: boolean;
  readonly wanted: number;
  /** How many of them are in the registry, as far as is known. */
  readonly written: number;
}
