import { describeSource, type SourceOf } from '../backend/backend.ts';
import type { Logger } from '../core/log.ts';
import {
  type BlockingQuery,
  type BlockingTimes,
  followIndex,
  type Indexed,
} from '../registry/blocking-query.ts';
import { ConsulClient, type ConsulSettings } from '../registry/consul.ts';
import type { FollowHosts } from './named-endpoint.ts';
import type { OnUpdate } from './resolver.ts';
import type { SkippedValues } from './skipped-values.ts';
import { SourceReport } from './source-report.ts';
import type { ReadValues } from './values.ts';

/** What both of Consul's resolvers need. */
export interface ConsulResolverDeps {
  readonly settings: ConsulSettings;
  readonly followHosts: FollowHosts;
  readonly skipped: Pick<SkippedValues, 'report'>;
  readonly logger: Logger;
  readonly times?: Partial<BlockingTimes>;
}

/** What to ask an agent, and what the answer means. */
export interface ConsulQuestion<T> {
  ask(client: ConsulClient, query: BlockingQuery, signal: AbortSignal): Promise<Indexed<T>>;
  /** Never throws. */
  read(answer: T): ReadValues;
}

/**
 * Follows one source of an agent until the signal aborts, over a connection of its own: a blocking query occupies one
 * for as long as it waits.
 */
export function watchConsul<T>(
  source: SourceOf<'consul' | 'consul-service'>,
  question: ConsulQuestion<T>,
  deps: ConsulResolverDeps,
  onUpdate: OnUpdate,
  signal: AbortSignal,
): void {
  if (signal.aborted) return;
  const { settings, skipped, times } = deps;
  const text = describeSource(source);
  const client = new ConsulClient(source.server, settings);
  const report = new SourceReport({ ...deps, text }, onUpdate, signal);
  const end = () => {
    client.close();
    skipped.report(text, []);
  };
  signal.addEventListener('abort', end, { once: true });
  void followIndex(
    {
      ask: (query, ending) => question.ask(client, query, ending),
      onValue: (answer) => {
        const read = question.read(answer);
        skipped.report(text, read.skipped);
        report.read(read);
      },
      onFailure: (error) => report.fail(error),
      ...(times === undefined ? {} : { times }),
    },
    signal,
  );
}
