import { Backoff, sleep } from '../core/backoff.ts';
import { AppError, messageOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Container } from './container.ts';

export interface InspectionsOptions {
  /** undefined = the container does not run (any more). */
  readonly inspect: (id: string, signal: AbortSignal) => Promise<Container | undefined>;
  readonly onAnswer: (id: string, container: Container | undefined) => void;
  readonly logger: Logger;
  /** Most calls to the engine at one time. */
  readonly atOnce: number;
}

/** What is being found out about one container. */
interface Look {
  /** Something happened to the container since the engine was asked. */
  isStale: boolean;
  failure: AppError | undefined;
  readonly done: PromiseWithResolvers<void>;
  readonly ending: AbortController;
}

/**
 * Inspections of containers: one a container at a time, a few at once, repeated while things happen to the container, and
 * again with growing gaps where the engine fails to answer (one stuck container blocks its own inspection, not the list).
 * What was asked before `forget` is never handed out after it.
 */
export class Inspections {
  readonly #options: InspectionsOptions;
  /** At most one entry a container that runs or is being asked about. */
  readonly #looks = new Map<string, Look>();
  readonly #queue: (() => void)[] = [];
  #free: number;

  constructor(options: InspectionsOptions) {
    this.#options = options;
    this.#free = options.atOnce;
  }

  /**
   * Has the container inspected, from now on.
   *
   * @returns when the answer has been handed out, or the container forgotten
   * @throws AppError ERR_DOCKER where the engine failed at it; it is tried again without being asked
   */
  look(id: string): Promise<void> {
    const known = this.#looks.get(id);
    if (known !== undefined) {
      known.isStale = true;
      return known.failure === undefined ? known.done.promise : Promise.reject(known.failure);
    }
    const look: Look = {
      isStale: false,
      failure: undefined,
      done: Promise.withResolvers<void>(),
      ending: new AbortController(),
    };
    // Who asked and does not wait has been told by the log.
    look.done.promise.catch(() => {});
    this.#looks.set(id, look);
    void this.#follow(id, look);
    return look.done.promise;
  }

  isLooking(id: string): boolean {
    return this.#looks.has(id);
  }

  /** What is under way for the container comes to nothing. */
  forget(id: string): void {
    const look = this.#looks.get(id);
    if (look === undefined) return;
    this.#looks.delete(id);
    look.ending.abort();
    look.done.resolve();
  }

  forgetAll(): void {
    for (const id of [...this.#looks.keys()]) this.forget(id);
  }

  async #follow(id: string, look: Look): Promise<void> {
    const backoff = new Backoff({ initialMs: 500, maxMs: 10_000 });
    const { signal } = look.ending;
    for (;;) {
      const outcome = await this.#ask(id, look);
      if (signal.aborted) return;
      if (outcome.failure === undefined) {
        if (!look.isStale) this.#looks.delete(id);
        look.failure = undefined;
        this.#options.onAnswer(id, outcome.container);
        if (this.#looks.get(id) !== look) {
          look.done.resolve();
          return;
        }
        continue;
      }
      if (look.failure === undefined) {
        const fields = { container: id.slice(0, 12), code: outcome.failure.code };
        this.#options.logger.warn(
          `${outcome.failure.message}; what is known of it stays, trying again`,
          fields,
        );
      }
      look.failure = outcome.failure;
      look.done.reject(outcome.failure);
      await sleep(backoff.next(), signal);
      if (signal.aborted) return;
    }
  }

  async #ask(id: string, look: Look): Promise<{ container?: Container | undefined; failure?: AppError }> {
    await this.#slot();
    try {
      if (look.ending.signal.aborted) return {};
      look.isStale = false;
      return { container: await this.#options.inspect(id, look.ending.signal) };
    } catch (thrown) {
      return {
        failure:
          thrown instanceof AppError
            ? thrown
            : new AppError('ERR_DOCKER', messageOf(thrown), { cause: thrown }),
      };
    } finally {
      this.#free += 1;
      this.#queue.shift()?.();
    }
  }

  /** Resolves when a call may be made; the queue holds one entry a look at most. */
  async #slot(): Promise<void> {
    while (this.#free === 0) await new Promise<void>((resolve) => this.#queue.push(resolve));
    this.#free -= 1;
  }
}
