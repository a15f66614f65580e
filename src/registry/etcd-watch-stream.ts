import type { IWatchResponse } from 'etcd3';
import type { GrpcFailure, WatchDuplex } from './etcd-rpc.ts';

/** Keys from `key` up to `end`, without it; the key alone where `end` is absent. */
export interface EtcdRange {
  readonly key: Buffer;
  readonly end?: Buffer;
}

export interface EtcdChange {
  readonly key: string;
  /** Absent: the key is gone, deleted or with its lease. */
  readonly value?: string;
}

/**
 * Why a watch is over. `compacted`: what happened since has been forgotten, read again. `refused`: by the server, for
 * what it says. `lost`: the whole stream is.
 */
export type WatchEnd =
  | { readonly kind: 'compacted' }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'lost' };

interface Watcher {
  onChange(changes: readonly EtcdChange[]): void;
  onEnd(end: WatchEnd): void;
}

/**
 * Many watches over one stream. etcd answers requests for watches in their order, and changes carry the number that the
 * answer has given (etcd server/etcdserver/api/v3rpc/watch.go).
 */
export class EtcdWatchStream {
  readonly #duplex: WatchDuplex;
  readonly #timeoutMs: number;
  readonly #onLost: (failure: GrpcFailure) => void;
  /** Asked for and not yet answered, in order. One that has been given up meanwhile is `undefined`. */
  #asked: { watcher: Watcher | undefined }[] = [];
  readonly #watchers = new Map<string, Watcher>();
  #overdue: NodeJS.Timeout | undefined;
  #isOver = false;

  /**
   * @param timeoutMs how long an answer to a request for a watch may take
   * @param onLost    called once, where the stream breaks; not where it is closed
   */
  constructor(duplex: WatchDuplex, timeoutMs: number, onLost: (failure: GrpcFailure) => void) {
    this.#duplex = duplex;
    this.#timeoutMs = timeoutMs;
    this.#onLost = onLost;
    duplex
      .on('data', (response) => this.#take(response))
      .on('error', (failure) => this.#lose(failure))
      .on('end', () => this.#lose({ code: 14, details: 'the server ended the watch stream' }));
  }

  /**
   * Watches a range.
   *
   * @param fromRevision the first that has not been seen
   * @returns            gives the watch up: nothing is called afterwards
   */
  watch({ key, end }: EtcdRange, fromRevision: bigint, watcher: Watcher): () => void {
    if (this.#isOver) {
      queueMicrotask(() => watcher.onEnd({ kind: 'lost' }));
      return () => {};
    }
    const entry: { watcher: Watcher | undefined } = { watcher };
    this.#asked.push(entry);
    const range = end === undefined ? { key } : { key, range_end: end };
    this.#duplex.write({ create_request: { ...range, start_revision: `${fromRevision}` } });
    this.#expect();
    return () => {
      entry.watcher = undefined;
      for (const [id, known] of this.#watchers) if (known === watcher) this.#cancel(id);
    };
  }

  /** Ends everything; nobody is told. May be called twice. */
  close(): void {
    if (this.#isOver) return;
    this.#finish();
    this.#duplex.cancel();
  }

  #finish(): Watcher[] {
    this.#isOver = true;
    clearTimeout(this.#overdue);
    const asked = this.#asked.flatMap(({ watcher }) => watcher ?? []);
    const all = [...asked, ...this.#watchers.values()];
    this.#asked = [];
    this.#watchers.clear();
    return all;
  }

  #lose(failure: GrpcFailure): void {
    if (this.#isOver) return;
    const watchers = this.#finish();
    this.#duplex.cancel();
    for (const watcher of watchers) watcher.onEnd({ kind: 'lost' });
    this.#onLost(failure);
  }

  /** A stream on which a request stays without an answer is none. */
  #expect(): void {
    clearTimeout(this.#overdue);
    if (this.#asked.length === 0) return;
    this.#overdue = setTimeout(
      () => this.#lose({ code: 4, details: 'no answer to a watch' }),
      this.#timeoutMs,
    );
  }

  #cancel(id: string): void {
    this.#watchers.delete(id);
    if (!this.#isOver) this.#duplex.write({ cancel_request: { watch_id: id } });
  }

  #take(response: IWatchResponse): void {
    if (this.#isOver) return;
    const id = response.watch_id;
    if (response.created) {
      const watcher = this.#asked.shift()?.watcher;
      this.#expect();
      if (response.canceled) watcher?.onEnd(endOf(response));
      else if (watcher === undefined) this.#cancel(id);
      else this.#watchers.set(id, watcher);
      return;
    }
    const watcher = this.#watchers.get(id);
    if (watcher === undefined) return;
    if (response.canceled) {
      this.#watchers.delete(id);
      watcher.onEnd(endOf(response));
    } else if (response.events.length > 0) watcher.onChange(response.events.map(changeOf));
  }
}

function endOf({ compact_revision, cancel_reason }: IWatchResponse): WatchEnd {
  if (compact_revision !== '0') return { kind: 'compacted' };
  return { kind: 'refused', reason: cancel_reason || 'the server cancelled the watch' };
}

function changeOf({ type, kv }: IWatchResponse['events'][number]): EtcdChange {
  const key = kv.key.toString();
  return type === 'Delete' ? { key } : { key, value: kv.value.toString() };
}
