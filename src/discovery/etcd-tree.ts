import type { HostPort } from '../backend/backend.ts';
import { Backoff } from '../core/backoff.ts';
import { AppError } from '../core/errors.ts';
import type { EtcdConnections, EtcdReader, SessionFollower } from '../registry/etcd.ts';
import type { EtcdChange, WatchEnd } from '../registry/etcd-watch-stream.ts';

export interface EtcdTreeOptions {
  readonly connections: Pick<EtcdConnections, 'follow'>;
  readonly servers: readonly HostPort[];
  /** The key itself and all below `path/`. */
  readonly path: string;
  /** The source in the spelling of a descriptor, for messages. */
  readonly text: string;
  /**
   * Told all values by the whole key, after each reading and each change. The map is the tree's own.
   *
   * @param changed the keys that were written or removed, though it were both in one moment; undefined = all have been
   *                read anew, by a new session or after a compaction
   */
  readonly onValues: (values: ReadonlyMap<string, string>, changed: ReadonlySet<string> | undefined) => void;
  /** This path cannot be read or watched, though the servers answer; tried again. */
  readonly onRefused: (error: AppError) => void;
  /** No server can be used; the connection tries again, and has logged it. */
  readonly onDown: (error: AppError) => void;
  /** Waits; ends early on abort. Never rejects. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/**
 * Follows a path of etcd until the signal aborts. Each session reads everything anew and watches from there: a server that
 * has come back with other data, or with none, is believed. Nothing is called synchronously, nor after abort.
 */
export function followEtcdTree(options: EtcdTreeOptions, signal: AbortSignal): void {
  if (signal.aborted) return;
  const tree = new EtcdTree(options);
  signal.addEventListener('abort', () => tree.stop(), { once: true });
  options.connections.follow(options.servers, tree, signal);
}

class EtcdTree implements SessionFollower {
  readonly #options: EtcdTreeOptions;
  readonly #values = new Map<string, string>();
  #attempt = new AbortController();

  constructor(options: EtcdTreeOptions) {
    this.#options = options;
  }

  onSession(session: EtcdReader): void {
    this.#attempt.abort();
    this.#attempt = new AbortController();
    void this.#follow(session, this.#attempt.signal);
  }

  onLost(): void {
    this.#attempt.abort();
  }

  onDown(error: AppError): void {
    this.#options.onDown(error);
  }

  stop(): void {
    this.#attempt.abort();
  }

  /** Reads and watches until the session is over; again where only this path's watch is. */
  async #follow(session: EtcdReader, signal: AbortSignal): Promise<void> {
    const backoff = new Backoff({ initialMs: 200, maxMs: 30_000 });
    while (!signal.aborted) {
      const end = await this.#readAndWatch(session, signal, () => backoff.reset());
      if (signal.aborted || end.kind === 'lost') return;
      if (end.kind === 'refused') this.#options.onRefused(end.error);
      await this.#options.sleep(backoff.next(), signal);
    }
  }

  async #readAndWatch(
    session: EtcdReader,
    signal: AbortSignal,
    onChange: () => void,
  ): Promise<Exclude<WatchEnd, { kind: 'refused' }> | { kind: 'refused'; error: AppError }> {
    const { path, text } = this.#options;
    const read = await session.read(path, signal);
    if (read === undefined || signal.aborted) return { kind: 'lost' };
    if (!read.ok) return { kind: 'refused', error: read.error };
    this.#values.clear();
    for (const [key, value] of read.value.values) this.#values.set(key, value);
    this.#options.onValues(this.#values, undefined);
    const take = (changes: readonly EtcdChange[]) => {
      onChange();
      this.#apply(changes);
    };
    const end = await session.watch(path, read.value.revision + 1n, take, signal);
    if (end.kind !== 'refused') return end;
    const message = `${text}: the watch was refused: ${end.reason}`;
    return { kind: 'refused', error: new AppError('ERR_RESOLVE_FAILED', message) };
  }

  #apply(changes: readonly EtcdChange[]): void {
    for (const { key, value } of changes) {
      if (value === undefined) this.#values.delete(key);
      else this.#values.set(key, value);
    }
    this.#options.onValues(this.#values, new Set(changes.map(({ key }) => key)));
  }
}
