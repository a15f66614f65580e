import { type FSWatcher, watch } from 'node:fs';
import { messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import { fileMark } from './read.ts';

export interface FolderChangesOptions {
  /** The file's name in its folder. */
  readonly name: string;
  readonly logger: Logger;
  /** Waits; ends early on abort. Never rejects. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** What has happened in the folder since the last question: to the file itself, to something beside it, nothing. */
export type FolderChange = 'file' | 'other' | 'none';

/**
 * Tells when something happens in a file's folder. The folder is watched, not the file: a file that is replaced is another
 * one, and what Kubernetes swaps is a link beside the one that is named. It is a hint only: whoever waits looks again
 * after a while anyway.
 *
 *     await changes.follow(folder);
 *     if ((await changes.next(2000)) !== 'none') lookAgain();
 *
 * Source: inotify(7), fs.watch of Node (libuv: IN_ATTRIB, IN_CREATE, IN_MODIFY, IN_DELETE, IN_MOVE)
 */
export class FolderChanges {
  readonly #options: FolderChangesOptions;
  #watcher: FSWatcher | undefined;
  /** Which folder is watched: by its device and inode, as one with the same name may have taken its place. */
  #watched: string | undefined;
  #change: FolderChange = 'none';
  #waiting: AbortController | undefined;
  #isClosed = false;
  #isComplained = false;

  constructor(options: FolderChangesOptions) {
    this.#options = options;
  }

  /** Watches this folder from now on; nothing where it is undefined. Cheap where it is watched already. */
  async follow(folder: string | undefined): Promise<void> {
    const identity = folder === undefined ? undefined : (await fileMark(folder)).split(' ', 2).join(' ');
    if (this.#isClosed || (identity === this.#watched && this.#watcher !== undefined)) return;
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#watched = identity;
    if (folder === undefined) return;
    try {
      const watcher = watch(folder, (_event, name) => {
        this.#happened(name === null || name === this.#options.name ? 'file' : 'other');
      });
      watcher.on('error', (thrown) => this.#lost(watcher, folder, thrown));
      this.#watcher = watcher;
      this.#isComplained = false;
    } catch (thrown) {
      this.#complain(folder, thrown);
    }
  }

  /** What has happened since the last call: at once where something has, otherwise after `ms` at the latest. */
  async next(ms: number): Promise<FolderChange> {
    if (this.#change === 'none' && !this.#isClosed) {
      this.#waiting = new AbortController();
      await this.#options.sleep(ms, this.#waiting.signal);
      this.#waiting = undefined;
    }
    const change = this.#change;
    this.#change = 'none';
    return change;
  }

  /** Ends the watch and whoever waits. May be called twice. */
  close(): void {
    this.#isClosed = true;
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#waiting?.abort();
  }

  #happened(change: FolderChange): void {
    if (this.#change !== 'file') this.#change = change;
    this.#waiting?.abort();
  }

  #lost(watcher: FSWatcher, folder: string, thrown: unknown): void {
    watcher.close();
    if (this.#watcher === watcher) this.#watcher = undefined;
    this.#complain(folder, thrown);
  }

  /** Most likely the limit of watches (fs.inotify.max_user_watches) is reached. */
  #complain(folder: string, thrown: unknown): void {
    if (this.#isComplained || this.#isClosed) return;
    this.#isComplained = true;
    const why = messageOf(thrown);
    this.#options.logger.warn(`${folder} cannot be watched (${why}); changes are seen later, by looking`);
  }
}
