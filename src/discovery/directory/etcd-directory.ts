import { describeSource, type HostPort, type Source, type SourceOf } from '../../backend/backend.ts';
import {
  applicationRoots,
  type Registered,
  registeredPath,
  serviceRoot,
} from '../../backend/registration-keys.ts';
import { sleep } from '../../core/backoff.ts';
import type { AppError } from '../../core/errors.ts';
import { type Logger, silentLogger } from '../../core/log.ts';
import { fail, ok } from '../../core/result.ts';
import type { EtcdConnections } from '../../registry/etcd.ts';
import { followEtcdTree } from '../etcd-tree.ts';
import type { FollowHosts } from '../named-endpoint.ts';
import type { Resolver, Resolvers } from '../resolver.ts';
import type { SkippedValues } from '../skipped-values.ts';
import { SourceReport } from '../source-report.ts';
import type { ReadValues } from '../values.ts';
import { type Directory, type Listed, listedKey, type OnListing, recallPath } from './directory.ts';
import { LostKeys } from './lost-keys.ts';
import { type Group, readRegistrations } from './read-registrations.ts';

export interface EtcdDirectoryOptions {
  readonly servers: readonly HostPort[];
  /** Empty, or with a slash at its beginning and none at its end. */
  readonly prefix: string;
  readonly connections: Pick<EtcdConnections, 'follow'>;
  readonly followHosts: FollowHosts;
  readonly skipped: Pick<SkippedValues, 'report'>;
  readonly logger: Logger;
  /** How long keys that a server has lost are taken for being there, ms; their writers try again every 30 s at most. */
  readonly lostMs?: number;
  /** Waits; ends early on abort. Never rejects. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

type EtcdSource = SourceOf<'etcd'>;

const nothing: ReadValues = { endpoints: [], skipped: [] };
/** The longest back-off of a writer with its jitter, and time to write. */
const defaultLostMs = 45_000;
const roots = [...applicationRoots, serviceRoot];

/**
 * The directory in etcd: three watches, of `/apps`, `/applications` and `/services`, however much is registered. The
 * sources that it names are paths below them, and are served from the same three.
 */
export class EtcdDirectory implements Directory {
  readonly text: string;
  readonly resolvers: Resolvers;
  readonly #options: Required<EtcdDirectoryOptions>;
  /** By root, as it stands in etcd: by the key below it. */
  readonly #stored = new Map<string, ReadonlyMap<string, string>>();
  /** The same with what etcd has forgotten. */
  readonly #values = new Map<string, ReadonlyMap<string, string>>();
  /** Who follows a source, by its path. */
  readonly #reports = new Map<string, Set<SourceReport>>();
  readonly #refusals = new Map<string, AppError>();
  /** By path; undefined until every root has been read. */
  #groups: ReadonlyMap<string, Group> | undefined;
  #down: AppError | undefined;

  constructor(options: EtcdDirectoryOptions) {
    this.#options = { sleep, lostMs: defaultLostMs, ...options };
    const { servers, prefix } = options;
    this.text = describeSource({ kind: 'etcd', servers, path: prefix === '' ? '/' : prefix, tags: [] });
    const resolver: Resolver<EtcdSource> = {
      watch: (source, onUpdate, signal) => {
        if (signal.aborted) return;
        const { followHosts } = this.#options;
        const text = describeSource(source);
        this.#add(
          source.path,
          new SourceReport({ followHosts, logger: silentLogger, text }, onUpdate, signal),
          signal,
        );
      },
    };
    this.resolvers = { etcd: resolver };
  }

  watch(onListing: OnListing, signal: AbortSignal): void {
    const { servers, prefix, connections, sleep, skipped, lostMs } = this.#options;
    const lost = new LostKeys(lostMs, (root) =>
      this.#take(root, this.#stored.get(root) ?? new Map(), onListing),
    );
    signal.addEventListener('abort', () => lost.stop(), { once: true });
    for (const root of roots) {
      const path = `${prefix}${root}`;
      const tree = {
        ...{ connections, servers, path, sleep },
        text: describeSource({ kind: 'etcd', servers, path, tags: [] }),
        onValues: (values: ReadonlyMap<string, string>, changed: ReadonlySet<string> | undefined) => {
          const name = (key: string) => key.slice(path.length + 1);
          const below = new Map([...values].map(([key, value]) => [name(key), value]));
          this.#stored.set(root, below);
          if (changed === undefined) lost.onRead(root, below, this.#values.get(root));
          else lost.onChanged(root, [...changed].map(name));
          this.#take(root, lost.complete(root, below), onListing);
        },
        onRefused: (error: AppError) => this.#refused(root, error, onListing),
        onDown: (error: AppError) => this.#fail(error, onListing),
      };
      followEtcdTree(tree, signal);
    }
    signal.addEventListener('abort', () => skipped.report(this.text, []), { once: true });
  }

  recall(source: Source): Registered | undefined {
    if (source.kind !== 'etcd' || source.tags.length > 0) return undefined;
    const isHere = JSON.stringify(source.servers) === JSON.stringify(this.#options.servers);
    return isHere ? recallPath(this.#options.prefix, source.path) : undefined;
  }

  #take(root: string, values: ReadonlyMap<string, string>, onListing: OnListing): void {
    const { logger, skipped } = this.#options;
    this.#values.set(root, values);
    const wasFailing = this.#down !== undefined || this.#refusals.size > 0;
    if (this.#refusals.delete(root)) logger.info(`${this.text}${root}: read again`, { backend: this.text });
    this.#down = undefined;
    if (this.#values.size < roots.length || this.#refusals.size > 0) return;
    const read = readRegistrations(this.#values);
    const before = this.#groups;
    const groups = new Map([...read.groups.values()].map((group) => [this.#pathOf(group.registered), group]));
    this.#groups = groups;
    skipped.report(this.text, read.skipped);
    for (const [path, reports] of this.#reports) {
      if (!wasFailing && sameGroup(before?.get(path), groups.get(path))) continue;
      for (const report of reports) this.#tell(path, report);
    }
    const listed = new Map<string, Listed>();
    for (const [path, { registered }] of groups) {
      const source: EtcdSource = { kind: 'etcd', servers: this.#options.servers, path, tags: [] };
      listed.set(listedKey(registered), { registered, source });
    }
    onListing(ok({ listed, skipped: read.skipped }));
  }

  #pathOf(registered: Registered): string {
    return registeredPath(this.#options.prefix, registered);
  }

  #add(path: string, report: SourceReport, signal: AbortSignal): void {
    const reports = this.#reports.get(path) ?? new Set();
    this.#reports.set(path, reports.add(report));
    signal.addEventListener(
      'abort',
      () => {
        reports.delete(report);
        if (reports.size === 0) this.#reports.delete(path);
      },
      { once: true },
    );
    queueMicrotask(() => this.#tell(path, report));
  }

  #tell(path: string, report: SourceReport): void {
    if (this.#groups !== undefined) report.read(this.#groups.get(path) ?? nothing);
    const problem = this.#down ?? [...this.#refusals.values()][0];
    if (problem !== undefined) report.fail(problem);
  }

  #refused(root: string, error: AppError, onListing: OnListing): void {
    const message = `${this.text}${root}: ${error.message}; what was known before stays, tried again`;
    if (!this.#refusals.has(root)) {
      this.#options.logger.warn(message, { backend: this.text, code: error.code });
    }
    this.#refusals.set(root, error);
    this.#failAll(error, onListing);
  }

  /** The three watches are told of the same outage. */
  #fail(error: AppError, onListing: OnListing): void {
    if (this.#down?.message === error.message) return;
    this.#down = error;
    this.#failAll(error, onListing);
  }

  #failAll(error: AppError, onListing: OnListing): void {
    for (const reports of this.#reports.values()) for (const report of reports) report.fail(error);
    onListing(fail(error));
  }
}

/** Whether two readings of a group say the same: a thousand others need not be told of a change in one. */
function sameGroup(a: Group | undefined, b: Group | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
