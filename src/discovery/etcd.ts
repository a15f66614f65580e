import { describeSource, type SourceOf } from '../backend/backend.ts';
import { sleep } from '../core/backoff.ts';
import type { AppError } from '../core/errors.ts';
import { type Logger, silentLogger } from '../core/log.ts';
import type { EtcdConnections } from '../registry/etcd.ts';
import { followEtcdTree } from './etcd-tree.ts';
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
 */
export class EtcdResolver implements Resolver<EtcdSource> {
  readonly #deps: Required<EtcdResolverDeps>;

  constructor(deps: EtcdResolverDeps) {
    this.#deps = { sleep, ...deps };
  }

  watch(source: EtcdSource, onUpdate: OnUpdate, signal: AbortSignal): void {
    if (signal.aborted) return;
    const { connections, followHosts, skipped, logger, sleep } = this.#deps;
    const { servers, path } = source;
    const text = describeSource(source);
    // The connection's state is logged by the connection, once for all its paths; a path's own, below.
    const report = new SourceReport({ followHosts, logger: silentLogger, text }, onUpdate, signal);
    let isRefused = false;
    const onValues = (values: ReadonlyMap<string, string>) => {
      const read = readValues(below(path, values), source);
      skipped.report(text, read.skipped);
      if (isRefused) logger.info(`${text}: read again`, { backend: text });
      isRefused = false;
      report.read(read);
    };
    const onRefused = (error: AppError) => {
      const message = `${text}: ${error.message}; the set from before stays, tried again`;
      if (!isRefused) logger.warn(message, { backend: text, code: error.code });
      isRefused = true;
      report.fail(error);
    };
    const onDown = (error: AppError) => report.fail(error);
    signal.addEventListener('abort', () => skipped.report(text, []), { once: true });
    followEtcdTree({ connections, servers, path, text, onValues, onRefused, onDown, sleep }, signal);
  }
}

/** `path/` itself is a child by the name of "/". */
function below(path: string, values: ReadonlyMap<string, string>): StoredValue[] {
  return [...values].map(([key, value]) => ({
    key: key === path ? '' : key.slice(path.length + 1) || '/',
    value,
  }));
}
