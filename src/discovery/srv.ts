import type { SourceOf } from '../backend/backend.ts';
import { canonicalIp } from '../core/address.ts';
import { Backoff, sleep } from '../core/backoff.ts';
import { AppError, messageOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { timeToLive } from './dns/addresses.ts';
import type { DnsClient, DnsLookup } from './dns/client.ts';
import type { SrvData } from './dns/records.ts';
import type { FollowHosts, NamedEndpoint } from './named-endpoint.ts';
import type { OnUpdate, Resolver } from './resolver.ts';
import { SourceReport } from './source-report.ts';

export interface SrvResolverDeps {
  readonly client: Pick<DnsClient, 'lookup'>;
  readonly followHosts: FollowHosts;
  readonly logger: Logger;
  /** Waits; ends early on abort. Never rejects. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

const backoffMs = { initialMs: 200, maxMs: 30_000 };
/** When a name without SRV records is asked for again, ms. */
const noneMs = 5000;

/**
 * A DNS name without a port: `redis.service.consul`, `_redis._tcp.example.com`. Its SRV records are asked for again by
 * their time to live (1 s to 60 s), never for a connection. A target is dialled at the addresses that the answer itself
 * carries for it, otherwise at those that A and AAAA bring. An endpoint is called by its target.
 *
 * The set is empty only where DNS says so: no such name, no SRV record, or the target "." (decidedly not available). A
 * failure (SERVFAIL, silence, garbage) keeps it.
 *
 * Source: RFC 2782
 */
export class SrvResolver implements Resolver<SourceOf<'srv'>> {
  readonly #deps: Required<SrvResolverDeps>;

  constructor(deps: SrvResolverDeps) {
    this.#deps = { sleep, ...deps };
  }

  watch(source: SourceOf<'srv'>, onUpdate: OnUpdate, signal: AbortSignal): void {
    if (signal.aborted) return;
    const report = new SourceReport({ ...this.#deps, text: source.name }, onUpdate, signal);
    void this.#follow(source.name, report, signal);
  }

  async #follow(name: string, report: SourceReport, signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(backoffMs);
    let isFailing = false;
    while (!signal.aborted) {
      const found = await this.#lookup(name, signal);
      if (signal.aborted) return;
      const list = endpointsOf(name, found);
      if (list.ok) {
        report.set(list.value);
        backoff.reset();
      } else if (!isFailing) {
        // Once for each outage: its reasons change with the servers' moods.
        report.fail(list.error);
      }
      isFailing = !list.ok;
      const askAgainMs = found.kind === 'records' ? timeToLive(found.ttlSeconds) : noneMs;
      await this.#deps.sleep(isFailing ? backoff.next() : askAgainMs, signal);
    }
  }

  /** A look-up that throws all the same must not end the watch. */
  async #lookup(name: string, signal: AbortSignal): Promise<DnsLookup<'SRV'>> {
    try {
      return await this.#deps.client.lookup(name, ['SRV'], signal);
    } catch (thrown) {
      const message = `cannot resolve "${name}" (SRV): ${messageOf(thrown)}`;
      const error = new AppError('ERR_RESOLVE_FAILED', message, { cause: thrown });
      return { kind: 'failed', error, isSilent: false };
    }
  }
}

/** In one order, whatever the server's: answers are shuffled. */
function endpointsOf(name: string, found: DnsLookup<'SRV'>): Result<readonly NamedEndpoint[]> {
  if (found.kind === 'failed') return fail(found.error);
  if (found.kind === 'nonexistent') return ok([]);
  const available = found.records.map(({ data }) => data).filter(({ target }) => target !== '');
  const usable = available.filter(({ port }) => port !== 0);
  if (usable.length === 0 && available.length > 0) {
    const message = `cannot resolve "${name}" (SRV): its records name port 0; register the service with a port`;
    return fail(new AppError('ERR_RESOLVE_FAILED', message));
  }
  return ok(usable.toSorted(byRank).flatMap(named));
}

function byRank(a: SrvData, b: SrvData): number {
  const names = a.target < b.target ? -1 : a.target > b.target ? 1 : 0;
  return a.priority - b.priority || names || a.port - b.port || b.weight - a.weight;
}

function named({ target, port, priority, weight, addresses }: SrvData): NamedEndpoint[] {
  const rest = { port, name: target, weight, priority, tags: [] };
  if (addresses.length > 0) return addresses.map((host) => ({ host, ...rest }));
  // A target is a whole name: the search list is not for it (RFC 2782: "an alias or address record", by its own name).
  return [{ host: canonicalIp(target) ?? `${target}.`, ...rest }];
}
