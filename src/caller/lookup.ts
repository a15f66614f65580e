import { codeOf, messageOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { ContainerFeed } from '../docker/feed.ts';
import type { CallerLookup } from './caller.ts';
import type { Callers } from './callers.ts';

export interface FeedLookupOptions {
  readonly callers: Pick<Callers, 'find' | 'subscribe'>;
  readonly feed: Pick<ContainerFeed, 'refresh'>;
  readonly logger: Logger;
}

/** Most connections that wait at one time; what comes above is not known at once. */
const maxWaiters = 1_024;

/**
 * The engine lists a container a moment after its first process runs, so one reading of the list may be too early.
 * A waiter has it read at once and after each of these gaps, ms; after the last gap its time (1 s) is over.
 */
const gapsMs: readonly number[] = [50, 150, 400, 400];

/** Least time between the end of a reading and the next one, ms: a port scan must not become a load on the engine. */
const restMs = 50;

interface Waiter {
  readonly ip: string;
  readonly finish: (isKnown: boolean) => void;
  nextGap: number;
  timer: NodeJS.Timeout | undefined;
}

/** Look-up of callers that are not in the table yet, by shared readings of the engine's list and by the feed's events. */
export class FeedLookup implements CallerLookup {
  readonly #options: FeedLookupOptions;
  readonly #waiters = new Set<Waiter>();
  readonly #unsubscribe: () => void;
  #reading: 'idle' | 'underway' | 'resting' = 'idle';
  #isWanted = false;
  #restTimer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(options: FeedLookupOptions) {
    this.#options = options;
    this.#unsubscribe = options.callers.subscribe((change) => {
      if (change.kind === 'caller') this.#release(change.caller.addresses);
    });
  }

  resolve(ip: string): Promise<boolean> {
    if (this.#options.callers.find(ip) !== undefined) return Promise.resolve(true);
    if (this.#isStopped || this.#waiters.size >= maxWaiters) return Promise.resolve(false);
    return new Promise((finish) => {
      const waiter: Waiter = { ip, finish, nextGap: 0, timer: undefined };
      this.#waiters.add(waiter);
      this.#step(waiter);
    });
  }

  /** Every waiter gets its answer (false); no timer is left. May be called twice. */
  stop(): void {
    this.#isStopped = true;
    this.#unsubscribe();
    clearTimeout(this.#restTimer);
    for (const waiter of [...this.#waiters]) this.#finish(waiter, false);
  }

  /** Asks for a reading and arms the timer for the next step of this waiter, or gives up after the last. */
  #step(waiter: Waiter): void {
    const gap = gapsMs[waiter.nextGap];
    if (gap === undefined) {
      this.#finish(waiter, this.#options.callers.find(waiter.ip) !== undefined);
      return;
    }
    waiter.nextGap += 1;
    waiter.timer = setTimeout(() => this.#step(waiter), gap);
    this.#read();
  }

  #finish(waiter: Waiter, isKnown: boolean): void {
    clearTimeout(waiter.timer);
    this.#waiters.delete(waiter);
    waiter.finish(isKnown);
  }

  #release(addresses: readonly string[]): void {
    for (const waiter of [...this.#waiters]) {
      if (addresses.includes(waiter.ip)) this.#finish(waiter, true);
    }
  }

  /** Begins a reading, or has one follow the one that is under way. */
  #read(): void {
    if (this.#reading !== 'idle') {
      this.#isWanted = true;
      return;
    }
    this.#isWanted = false;
    this.#reading = 'underway';
    const rest = () => {
      if (this.#isStopped) return;
      this.#reading = 'resting';
      this.#restTimer = setTimeout(() => {
        this.#reading = 'idle';
        if (this.#isWanted && this.#waiters.size > 0) this.#read();
      }, restMs);
    };
    this.#options.feed.refresh().then(rest, (thrown: unknown) => {
      // The feed itself tells when the engine is lost; here it only means that these waiters learn nothing.
      this.#options.logger.debug(`caller look-up: ${messageOf(thrown)}`, { code: codeOf(thrown) });
      rest();
    });
  }
}
