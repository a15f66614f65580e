import { AppError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { fail } from '../core/result.ts';
import type { FollowHosts, NamedEndpoint } from './named-endpoint.ts';
import type { OnUpdate } from './resolver.ts';
import type { ReadValues } from './values.ts';

export interface SourceReportOptions {
  readonly followHosts: FollowHosts;
  readonly logger: Logger;
  /** The source as a descriptor writes it, for log lines. */
  readonly text: string;
}

type Update = Parameters<OnUpdate>[0];

/**
 * What a resolver tells of one source: the lists that it reads, with their hosts' names turned into addresses, and that it
 * cannot read the source at present. Call its methods asynchronously, as `onUpdate` is called from within them.
 *
 *     const report = new SourceReport({ followHosts, logger, text: 'file:///etc/web' }, onUpdate, signal);
 *     report.set(list);
 *     report.fail(error);   // the set stays
 */
export class SourceReport {
  readonly #options: SourceReportOptions;
  readonly #onUpdate: OnUpdate;
  readonly #signal: AbortSignal;
  readonly #setList: (list: readonly NamedEndpoint[]) => void;
  /** What is known of the last list. */
  #last: Update | undefined;
  #problem: AppError | undefined;

  constructor(options: SourceReportOptions, onUpdate: OnUpdate, signal: AbortSignal) {
    this.#options = options;
    this.#onUpdate = onUpdate;
    this.#signal = signal;
    this.#setList = options.followHosts((update) => this.#take(update), signal);
  }

  /** The list as it is now; ends a failure. An empty one is an authoritative empty set. */
  set(list: readonly NamedEndpoint[]): void {
    if (this.#signal.aborted) return;
    if (this.#problem !== undefined) {
      this.#problem = undefined;
      this.#options.logger.debug(`${this.#options.text}: can be read again`, { backend: this.#options.text });
      // The list may be the one from before, of which there is nothing new to tell.
      if (this.#last !== undefined) this.#tell(this.#last);
    }
    this.#setList(list);
  }

  /**
   * What has been made of the source's values. Where there are some and none can be read, their writer has made a mistake:
   * that is a failure, and the set stays.
   */
  read({ endpoints, skipped }: ReadValues): void {
    const [first] = skipped;
    if (endpoints.length > 0 || first === undefined) {
      this.set(endpoints);
      return;
    }
    const message = `${this.#options.text}: nothing there can be read: ${JSON.stringify(first.key)}: ${first.reason}`;
    this.fail(new AppError('ERR_RESOLVE_FAILED', message));
  }

  /** The source cannot be read: told once for each reason. */
  fail(error: AppError): void {
    if (this.#signal.aborted || this.#problem?.message === error.message) return;
    this.#problem = error;
    const { logger, text } = this.#options;
    const stays = this.#last?.ok === true ? `; its last ${this.#last.value.length} endpoint(s) stay` : '';
    // For who follows one source; the backends that it serves are told of aloud by the route writer.
    logger.debug(`${error.message}${stays}`, { backend: text, code: error.code });
    this.#tell(fail(error));
  }

  /** Names go on being followed while the source cannot be read; it still cannot be read then. */
  #take(update: Update): void {
    this.#last = update;
    if (this.#problem === undefined) this.#tell(update);
    else if (update.ok) {
      this.#tell(update);
      this.#tell(fail(this.#problem));
    }
  }

  #tell(update: Update): void {
    if (!this.#signal.aborted) this.#onUpdate(update);
  }
}
