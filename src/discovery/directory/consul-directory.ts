import { describeSource, type HostPort, type Source, type SourceOf } from '../../backend/backend.ts';
import { consulName, type Registered, readConsulService } from '../../backend/registration-keys.ts';
import { fail, ok } from '../../core/result.ts';
import { type BlockingTimes, followIndex } from '../../registry/blocking-query.ts';
import { ConsulClient, type ConsulSettings } from '../../registry/consul.ts';
import type { Resolvers } from '../resolver.ts';
import type { SkippedValues } from '../skipped-values.ts';
import type { SkippedValue } from '../values.ts';
import { type Directory, type Listed, type Listing, listedKey, type OnListing } from './directory.ts';

export interface ConsulDirectoryOptions {
  readonly server: HostPort;
  readonly settings: ConsulSettings;
  readonly skipped: Pick<SkippedValues, 'report'>;
  readonly times?: Partial<BlockingTimes>;
}

/**
 * The directory in Consul's catalog: one blocking query for the names of all services, and the health-checked instances of
 * each of ours as `consul-service://` sources, a connection each; the agent permits 200 of them to one host
 * (limits.http_max_conns_per_client).
 */
export class ConsulDirectory implements Directory {
  readonly text: string;
  readonly resolvers: Resolvers = {};
  readonly #options: ConsulDirectoryOptions;

  constructor(options: ConsulDirectoryOptions) {
    this.#options = options;
    this.text = `consul://${describeSource({ kind: 'static', endpoints: [options.server] })}`;
  }

  watch(onListing: OnListing, signal: AbortSignal): void {
    if (signal.aborted) return;
    const { server, settings, skipped, times } = this.#options;
    const client = new ConsulClient(server, settings);
    signal.addEventListener(
      'abort',
      () => {
        client.close();
        skipped.report(this.text, []);
      },
      { once: true },
    );
    void followIndex(
      {
        ask: (query, ending) => client.services(query, ending),
        onValue: (services) => {
          const listing = this.#read(services);
          skipped.report(this.text, listing.skipped);
          onListing(ok(listing));
        },
        onFailure: (error) => onListing(fail(error)),
        ...(times === undefined ? {} : { times }),
      },
      signal,
    );
  }

  recall(source: Source): Registered | undefined {
    if (source.kind !== 'consul-service') return undefined;
    const { host, port } = this.#options.server;
    if (source.server.host !== host || source.server.port !== port) return undefined;
    const [reading] = readConsulService(source.name, source.tags);
    return reading?.kind === 'unreadable' ? undefined : reading;
  }

  #read(services: ReadonlyMap<string, readonly string[]>): Listing {
    const listed = new Map<string, Listed>();
    const skipped: SkippedValue[] = [];
    for (const [name, tags] of services) {
      for (const reading of readConsulService(name, tags)) {
        if (reading.kind === 'unreadable') skipped.push({ key: name, reason: reading.reason });
        else listed.set(listedKey(reading), { registered: reading, source: this.#sourceOf(name, reading) });
      }
    }
    return { listed, skipped };
  }

  /** @param name as the catalog spells it */
  #sourceOf(name: string, registered: Registered): SourceOf<'consul-service'> {
    const { server } = this.#options;
    return { kind: 'consul-service', server, name, tags: [consulName(registered).tag], passing: true };
  }
}
