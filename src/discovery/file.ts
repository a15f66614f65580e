import { basename } from 'node:path';
import { describeSource, type SourceOf } from '../backend/backend.ts';
import { sleep } from '../core/backoff.ts';
import { AppError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { FolderChanges } from './file/folder-changes.ts';
import { parseEndpointList } from './file/list.ts';
import { fileMark, permittedFolder, readPermitted } from './file/read.ts';
import type { FollowHosts } from './named-endpoint.ts';
import type { OnUpdate, Resolver } from './resolver.ts';
import { SourceReport } from './source-report.ts';

export interface FileResolverDeps {
  readonly followHosts: FollowHosts;
  readonly logger: Logger;
  /** Folders whose files descriptors may name; none = every file is refused. `/` permits all. */
  readonly allowedRoots?: readonly string[];
  /** Waits; ends early on abort. Never rejects. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** The file is looked at this often whatever the watch says, ms. */
const pollMs = 2000;
/** The folder must have been quiet for so long, ms: a file that is written in place comes in pieces. */
const quietMs = 50;
const maxQuietRounds = 20;
/** So long a file must stay empty before it is believed, ms: whoever writes in place empties it first. */
const emptyMs = 1000;

/**
 * `file:///path`: a list of endpoints (format: `file/list.ts`), followed whether it is replaced or written in place.
 *
 * The set is empty only where the file is there and lists nothing, for a second. A file that is missing, unreadable, too
 * long (1 MiB) or faulty is an error, and the set stays. Only files inside `allowedRoots`, after every symbolic link, are
 * read: ERR_DESCRIPTOR_REFUSED otherwise.
 */
export class FileResolver implements Resolver<SourceOf<'file'>> {
  readonly #deps: Required<FileResolverDeps>;

  constructor(deps: FileResolverDeps) {
    this.#deps = { allowedRoots: [], sleep, ...deps };
  }

  watch(source: SourceOf<'file'>, onUpdate: OnUpdate, signal: AbortSignal): void {
    if (signal.aborted) return;
    const text = describeSource(source);
    const report = new SourceReport({ ...this.#deps, text }, onUpdate, signal);
    void new FileWatch(source.path, text, this.#deps, report).run(signal);
  }
}

/** `unsure`: what the file says now may be half of what it is about to say. */
type Look = 'done' | 'unsure';

class FileWatch {
  readonly #path: string;
  readonly #text: string;
  readonly #deps: Required<FileResolverDeps>;
  readonly #report: SourceReport;
  readonly #changes: FolderChanges;
  /** The state of the file that has been reported last. */
  #reported: string | undefined;
  #hasEndpoints = false;
  #unsureRounds = 0;
  /** The state in which the file was empty when it was looked at last. */
  #empty: string | undefined;

  constructor(path: string, text: string, deps: Required<FileResolverDeps>, report: SourceReport) {
    this.#path = path;
    this.#text = text;
    this.#deps = deps;
    this.#report = report;
    this.#changes = new FolderChanges({ name: basename(path), ...deps });
  }

  async run(signal: AbortSignal): Promise<void> {
    const { allowedRoots } = this.#deps;
    signal.addEventListener('abort', () => this.#changes.close(), { once: true });
    let isForced = true;
    while (!signal.aborted) {
      // First the watch, then the look: nothing falls between.
      await this.#changes.follow(await permittedFolder(this.#path, allowedRoots));
      const look = await this.#look(isForced, signal);
      if (signal.aborted) return;
      if (this.#empty !== undefined) await this.#deps.sleep(emptyMs, signal);
      isForced = look === 'unsure';
      const change = await this.#changes.next(isForced ? quietMs : pollMs);
      if (change === 'file') isForced = true;
      if (change !== 'none' && (await this.#quiet())) isForced = true;
    }
  }

  /** Waits until nothing has happened in the folder for a moment. @returns whether something happened to the file */
  async #quiet(): Promise<boolean> {
    let isTouched = false;
    for (let round = 0; round < maxQuietRounds; round++) {
      const change = await this.#changes.next(quietMs);
      if (change === 'none') break;
      if (change === 'file') isTouched = true;
    }
    return isTouched;
  }

  async #look(isForced: boolean, signal: AbortSignal): Promise<Look> {
    const mark = await fileMark(this.#path);
    if (!isForced && mark === this.#reported) return 'done';
    const content = await readPermitted(this.#path, this.#deps.allowedRoots);
    const isTorn = (await fileMark(this.#path)) !== mark;
    if (signal.aborted) return 'done';
    if (isTorn) {
      this.#empty = undefined;
      this.#unsureRounds++;
      if (this.#unsureRounds < maxQuietRounds) return 'unsure';
      this.#fail(new AppError('ERR_RESOLVE_FAILED', 'the file changes while it is read, again and again'));
      return 'done';
    }
    this.#unsureRounds = 0;
    const list = content.ok ? parseEndpointList(content.value) : content;
    if (list.ok && list.value.length === 0 && this.#hasEndpoints && this.#empty !== mark) {
      this.#empty = mark;
      return 'unsure';
    }
    this.#empty = undefined;
    // What kept it from being read may pass without a trace in the file.
    this.#reported = content.ok ? mark : undefined;
    if (list.ok) {
      this.#hasEndpoints = list.value.length > 0;
      this.#report.set(list.value);
    } else this.#fail(list.error);
    return 'done';
  }

  #fail(error: AppError): void {
    const { column } = error;
    const details = column === undefined ? { cause: error } : { cause: error, column };
    this.#report.fail(new AppError(error.code, `${this.#text}: ${error.message}`, details));
  }
}
