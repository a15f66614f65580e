import { describeSource, type SourceOf } from '../backend/backend.ts';
import { Backoff, sleep } from '../core/backoff.ts';
import { AppError } from '../core/errors.ts';
import { type Logger, silentLogger } from '../core/log.ts';
import type { EtcdConnections, EtcdReader, SessionFollower } from '../registry/etcd.ts';
import type { EtcdChange, WatchEnd } from '../registry/etcd-watch-stream.ts';
import type { FollowHosts } from './named-endpoint.ts';
import type { OnUpdate, Resolver } from './resolver.ts';
import type { SkippedValues } from './skipped-values.ts';
import { SourceReport } from './source-report.ts';
import { readValues, type StoredValue } from './values.ts';

export interface EtcdResolverDeps {
  readonly connections: Pick<EtcdConnections, 'follow'>;
  readonly followHosts: FollowHosts;
  readonly skipped: Pick<SkippedValues, 'report'>;
  readonly logger: Logger;
  /** Waits; ends early on abort. Never rejects. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

type EtcdSource = SourceOf<'etcd'>;

/**
 * `etcd://h1:2379,h2:2379/path`: the value at a path, or of everything below `path/`; what such values may look like says
 * values.ts. All watches of one cluster share a connection.
 *
 * Each session reads everything anew and watches from there: a server that has come back with other data, or with none,
 * is believed.
 */
export class EtcdResolver implements Resolver<EtcdSource> {
  readonly #deps: Required<EtcdResolverDeps>;

  constructor(deps: EtcdResolverDeps) {
    this.#deps = { sleep, ...deps };
  }

  watch(source: EtcdSource, onUpdate: OnUpdate, signal: AbortSignal): void {
    if (signal.aborted) return;
    const path = new PathWatch(source, this.#deps, onUpdate, signal);
    signal.addEventListener('abort', () => path.stop(), { once: true });
    this.#deps.connections.follow(source.servers, path, signal);
  }
}

/** One watched path: its values, and the session that they come from. */
class PathWatch implements SessionFollower {
  readonly #source: EtcdSource;
  readonly #where: string;
  readonly #deps: Required<EtcdResolverDeps>;
  readonly #report: SourceReport;
  readonly #values = new Map<string, string>();
  #attempt = new AbortController();
  #isRefused = false;

  constructor(source: EtcdSource, deps: Required<EtcdResolverDeps>, onUpdate: OnUpdate, signal: AbortSignal) {
    this.#source = source;
    this.#where = describeSource(source);
    this.#deps = deps;
    const { followHosts } = deps;
    // The connection's state is logged by the connection, once for all its paths; a path's own, below.
    const logger = silentLogger;
    this.#report = new SourceReport({ followHosts, logger, text: this.#where }, onUpdate, signal);
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
    this.#report.fail(error);
  }

  stop(): void {
    this.#attempt.abort();
    this.#deps.skipped.report(this.#where, []);
  }

  /** Reads and watches until the session is over; again where only this path's watch is. */
  async #follow(session: EtcdReader, signal: AbortSignal): Promise<void> {
    const backoff = new Backoff({ initialMs: 200, maxMs: 30_000 });
    while (!signal.aborted) {
      const end = await this.#readAndWatch(session, signal, () => backoff.reset());
      if (signal.aborted || end.kind === 'lost') return;
      if (end.kind === 'refused') this.#refused(end.error);
      await this.#deps.sleep(backoff.next(), signal);
    }
  }

  async #readAndWatch(
    session: EtcdReader,
    signal: AbortSignal,
    onChange: () => void,
  ): Promise<Exclude<WatchEnd, { kind: 'refused' }> | { kind: 'refused'; error: AppError }> {
    const { path } = this.#source;
    const read = await session.read(path, signal);
    if (read === undefined || signal.aborted) return { kind: 'lost' };
    if (!read.ok) return { kind: 'refused', error: read.error };
    this.#values.clear();
    for (const [key, value] of read.value.values) this.#values.set(key, value);
    this.#tell();
    const take = (changes: readonly EtcdChange[]) => {
      onChange();
      this.#apply(changes);
    };
    const end = await session.watch(path, read.value.revision + 1n, take, signal);
    if (end.kind !== 'refused') return end;
    const message = `${this.#where}: the watch was refused: ${end.reason}`;
    return { kind: 'refused', error: new AppError('ERR_RESOLVE_FAILED', message) };
  }

  #apply(changes: readonly EtcdChange[]): void {
    for (const { key, value } of changes) {
      if (value === undefined) this.#values.delete(key);
      else this.#values.set(key, value);
    }
    this.#tell();
  }

  #tell(): void {
    const { skipped, logger } = this.#deps;
    const read = readValues(this.#stored(), this.#source);
    skipped.report(this.#where, read.skipped);
    if (this.#isRefused) logger.info(`${this.#where}: read again`, { backend: this.#where });
    this.#isRefused = false;
    this.#report.read(read);
  }

  /** `path/` itself is a child by the name of "/". */
  #stored(): StoredValue[] {
    const { path } = this.#source;
    return [...this.#values].map(([key, value]) => ({
      key: key === path ? '' : key.slice(path.length + 1) || '/',
      value,
    }));
  }

  #refused(error: AppError): void {
    const message = `${this.#where}: ${error.message}; the set from before stays, tried again`;
    if (!this.#isRefused) this.#deps.logger.warn(message, { backend: this.#where, code: error.code });
    this.#isRefused = true;
    this.#report.fail(error);
  }
}
