import { Backoff, sleep } from '../core/backoff.ts';
import { AppError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Part } from '../core/part.ts';
import type { Container } from './container.ts';
import type { Engine } from './engine.ts';
import { type EventStream, openEventStream } from './event-stream.ts';
import type { ContainerEvent } from './events.ts';
import type { ContainerChange, ContainerFeed } from './feed.ts';
import { isAsListed, type ListedContainer, readContainer, readListing, sameContainer } from './inspect.ts';
import { Inspections } from './inspections.ts';

export interface LiveFeedOptions {
  readonly engine: Engine;
  readonly logger: Logger;
  /** ms since 1970 */
  readonly now?: () => number;
  /** Delays between attempts to reconnect, ms. */
  readonly backoff?: Pick<Backoff, 'next' | 'reset'>;
}

/** So many failures to reconnect, some 30 s of them, are more than a restart of the engine. */
const longOutage = 10;

/** A stream that lived this long was a success: the next reconnection begins with the short delay again. */
const stableMs = 10_000;

/**
 * The container feed on a real engine. The event stream is opened before the list is read, so nothing falls between;
 * an event says only that something happened, the truth is then asked for. A death needs no question and counts at once.
 * When the stream is lost, what is known stays, and a full re-list after the reconnection brings the differences.
 */
export class LiveFeed implements ContainerFeed, Part {
  readonly #engine: Engine;
  readonly #logger: Logger;
  readonly #now: () => number;
  readonly #backoff: Pick<Backoff, 'next' | 'reset'>;
  readonly #containers = new Map<string, Container>();
  readonly #listeners = new Set<(change: ContainerChange) => void>();
  readonly #inspections: Inspections;
  /** For each reading of the list that is under way: what has been inspected since, and it may be too old to speak of. */
  readonly #touched = new Set<Set<string>>();
  readonly #stopping = new AbortController();
  #refreshing: Promise<void> | undefined;
  #following: Promise<void> | undefined;

  constructor(options: LiveFeedOptions) {
    this.#engine = options.engine;
    this.#logger = options.logger;
    this.#now = options.now ?? Date.now;
    this.#backoff = options.backoff ?? new Backoff({ initialMs: 100, maxMs: 10_000 });
    this.#inspections = new Inspections({
      inspect: (id, signal) => this.#inspect(id, signal),
      onAnswer: (id, container) => this.#take(id, container),
      logger: options.logger,
      atOnce: 8,
    });
  }

  get containers(): ReadonlyMap<string, Container> {
    return this.#containers;
  }

  subscribe(listener: (change: ContainerChange) => void): () => void {
    // A wrapper of its own, so that a listener that subscribes twice is called twice.
    const entry = (change: ContainerChange) => listener(change);
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

  refresh(): Promise<void> {
    this.#refreshing ??= this.#readList('differences').finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /** @throws AppError ERR_DOCKER where the stream cannot be opened, the list not be read, or not one container inspected */
  async start(): Promise<void> {
    const stream = await this.#connect();
    if (this.#stopping.signal.aborted) return stream.close();
    this.#following = this.#follow(stream);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#inspections.forgetAll();
    this.#listeners.clear();
    await this.#following;
    await this.#refreshing?.catch(() => {});
  }

  async #connect(): Promise<EventStream> {
    const { signal } = this.#stopping;
    const stream = await openEventStream(this.#engine, this.#now(), (event) => this.#onEvent(event), signal);
    try {
      await this.#readList('everything');
      return stream;
    } catch (thrown) {
      stream.close();
      this.#inspections.forgetAll();
      throw thrown;
    }
  }

  async #follow(first: EventStream): Promise<void> {
    const { signal } = this.#stopping;
    let stream: EventStream | undefined = first;
    while (stream !== undefined) {
      const openedAt = performance.now();
      const close = stream.close;
      signal.addEventListener('abort', close, { once: true });
      if (signal.aborted) close();
      const why = await stream.ended;
      signal.removeEventListener('abort', close);
      if (signal.aborted) return;

      this.#logger.warn(`${why.message}; the ${this.#containers.size} known containers stay, reconnecting`, {
        code: why.code,
      });
      if (performance.now() - openedAt > stableMs) this.#backoff.reset();
      // What was asked of the engine before is asked again by the list.
      this.#inspections.forgetAll();
      stream = await this.#reconnect(signal);
    }
  }

  /** @returns undefined where Nuncio stops */
  async #reconnect(signal: AbortSignal): Promise<EventStream | undefined> {
    for (let failures = 0; ; ) {
      await sleep(this.#backoff.next(), signal);
      if (signal.aborted) return undefined;
      try {
        const stream = await this.#connect();
        this.#logger.info(
          `docker engine at ${this.#engine.host}: following again, ${this.#containers.size} containers run`,
        );
        return stream;
      } catch (thrown) {
        // The loss itself has been logged; that it goes on is news once, when it will not mend by itself.
        if (!(thrown instanceof AppError)) throw thrown;
        const level = ++failures === longOutage ? 'warn' : 'debug';
        this.#logger[level](thrown.message, { code: thrown.code });
      }
    }
  }

  /** Reads the list, drops what is not on it, and inspects the rest, or what the list shows to be new or different. */
  async #readList(rest: 'everything' | 'differences'): Promise<void> {
    const { signal } = this.#stopping;
    const touched = new Set<string>();
    this.#touched.add(touched);
    try {
      const listed = await this.#list(signal);
      // A look-up that ends after stop() is nobody's any more.
      if (signal.aborted) return;
      const ids = new Set(listed.map(({ id }) => id));
      for (const id of [...this.#containers.keys()]) {
        if (!ids.has(id) && !touched.has(id)) this.#remove(id);
      }
      const open = listed.filter(
        (item) => rest === 'everything' || !isAsListed(this.#containers.get(item.id), item),
      );
      const outcomes = await Promise.allSettled(open.map(({ id }) => this.#inspections.look(id)));
      const failed = outcomes.filter((outcome) => outcome.status === 'rejected');
      // One stuck container is its own trouble; when every inspection fails, it is the engine's.
      if (failed.length > 0 && failed.length === outcomes.length) throw failed[0]?.reason;
    } finally {
      this.#touched.delete(touched);
    }
  }

  async #list(signal: AbortSignal): Promise<readonly ListedContainer[]> {
    const listing = readListing(await this.#engine.list(signal));
    if (!listing.ok) throw listing.error;
    return listing.value;
  }

  async #inspect(id: string, signal: AbortSignal): Promise<Container | undefined> {
    const json = await this.#engine.inspect(id, signal);
    if (json === undefined) return undefined;
    const container = readContainer(json);
    if (!container.ok) throw container.error;
    return container.value;
  }

  #onEvent(event: ContainerEvent): void {
    const { id } = event;
    if (event.kind === 'ended') {
      this.#inspections.forget(id);
      this.#remove(id);
      return;
    }
    // What happens to a container that does not run (a network is connected before its start) is nothing to anybody.
    const isOfInterest =
      event.kind === 'started' || this.#containers.has(id) || this.#inspections.isLooking(id);
    // A failure is logged and retried by the inspections themselves.
    if (isOfInterest) this.#inspections.look(id).catch(() => {});
  }

  #take(id: string, container: Container | undefined): void {
    for (const touched of this.#touched) touched.add(id);
    if (container === undefined) {
      this.#remove(id);
      return;
    }
    const known = this.#containers.get(id);
    if (known !== undefined && sameContainer(known, container)) return;
    this.#containers.set(id, container);
    this.#emit({ kind: 'present', container });
  }

  #remove(id: string): void {
    if (this.#containers.delete(id)) this.#emit({ kind: 'gone', id });
  }

  #emit(change: ContainerChange): void {
    for (const listener of [...this.#listeners]) {
      if (this.#listeners.has(listener)) listener(change);
    }
  }
}
