import type { SourceOf } from '../backend/backend.ts';
import { canonicalSet, type Endpoint, endpoint, sameSet } from '../core/endpoint.ts';
import { AppError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type { Container, ContainerNetwork } from '../docker/container.ts';
import type { ContainerFeed } from '../docker/feed.ts';
import type { OnUpdate, Resolver } from './resolver.ts';

export interface DockerResolverOptions {
  readonly feed: Pick<ContainerFeed, 'containers' | 'subscribe'>;
  readonly logger: Logger;
  /** The container that the ambassador runs in; absent = it runs on the host and reaches every network. */
  readonly selfId?: string | undefined;
}

type DockerSource = SourceOf<'docker'>;
type Update = Result<readonly Endpoint[]>;

const serviceLabels = ['com.docker.compose.service', 'nuncio.service'];
const weightLabel = 'nuncio.weight';

/** A container without a health check counts as healthy. */
function isHealthy({ health }: Container): boolean {
  return health === 'none' || health === 'healthy';
}

function matches(container: Container, name: string): boolean {
  return container.name === name || serviceLabels.some((label) => container.labels.get(label) === name);
}

/**
 * `docker://name`: the running containers of that name, Compose service, or label `nuncio.service`, at the port that the
 * source names, on a network that the ambassador is on too. A paused container accepts connections and never answers:
 * it is left out.
 *
 * So is one whose health check has not passed yet (`starting`) or fails (`unhealthy`), as Swarm's and Traefik's users
 * know it; one without a check counts as healthy. Where none is healthy the set is empty: connections are refused, as
 * none would be served. The empty set is followed by an ERR_NO_ENDPOINT that names each container and its health.
 */
export class DockerResolver implements Resolver<DockerSource> {
  readonly #options: DockerResolverOptions;
  /** Containers whose weight label has been complained of; at most those that run. */
  readonly #complained = new Set<string>();

  constructor(options: DockerResolverOptions) {
    this.#options = options;
  }

  watch(source: DockerSource, onUpdate: OnUpdate, signal: AbortSignal): void {
    if (signal.aborted) return;
    let told: readonly Update[] = [];
    let isScheduled = false;
    const tell = () => {
      isScheduled = false;
      if (signal.aborted) return;
      const updates = this.#resolve(source);
      if (sameUpdates(told, updates)) return;
      told = updates;
      for (const update of updates) if (!signal.aborted) onUpdate(update);
    };
    // A burst of changes (a re-list) becomes one update.
    const schedule = () => {
      if (isScheduled) return;
      isScheduled = true;
      queueMicrotask(tell);
    };
    const unsubscribe = this.#options.feed.subscribe(schedule);
    signal.addEventListener('abort', unsubscribe, { once: true });
    schedule();
  }

  /** What is to be told now; a set and then an error: that is the set, and why. */
  #resolve({ name, port }: DockerSource): readonly Update[] {
    if (port === undefined) {
      const message = `docker://${name}: no port is named and none was dialled; write docker://${name}:<port>`;
      return [fail(new AppError('ERR_RESOLVE_FAILED', message))];
    }
    const { containers } = this.#options.feed;
    for (const id of this.#complained) if (!containers.has(id)) this.#complained.delete(id);
    const running = [...containers.values()].filter(
      (container) => container.state === 'running' && matches(container, name),
    );
    const healthy = running.filter(isHealthy);
    if (healthy.length === 0 && running.length > 0) return [ok([]), fail(noneHealthy(name, running))];
    const own = this.#ownNetworks();
    const endpoints: Endpoint[] = [];
    for (const container of healthy) {
      const ip = reachableAddress(this.#networksOf(container), own);
      if (ip === undefined) continue;
      endpoints.push(endpoint(ip, port, { name: container.name, weight: this.#weight(container) }));
    }
    if (endpoints.length === 0 && healthy.length > 0) return [fail(this.#unreachable(name, healthy))];
    return [ok(canonicalSet(endpoints))];
  }

  /** The ids of the ambassador's networks; undefined = it reaches all (host network, or no container at all). */
  #ownNetworks(): ReadonlySet<string> | undefined {
    const { feed, selfId } = this.#options;
    const self = selfId === undefined ? undefined : feed.containers.get(selfId);
    if (self === undefined || self.networkMode === 'host') return undefined;
    return new Set(this.#networksOf(self).map((network) => network.id));
  }

  /** A container in another one's network namespace is reached at that one's addresses. */
  #networksOf(container: Container): readonly ContainerNetwork[] {
    const owner = /^container:(.+)$/.exec(container.networkMode)?.[1];
    if (owner === undefined) return container.networks;
    return this.#options.feed.containers.get(owner)?.networks ?? [];
  }

  #unreachable(name: string, running: readonly Container[]): AppError {
    const { feed, selfId = '' } = this.#options;
    const names = running.map((container) => container.name).join(', ');
    const network = running.flatMap((container) => this.#networksOf(container))[0]?.name;
    const self = feed.containers.get(selfId)?.name ?? '<ambassador>';
    const why =
      network === undefined
        ? `${names} has no address of its own (network mode ${running[0]?.networkMode})`
        : `${names} shares no network with the ambassador; join one: docker network connect ${network} ${self}`;
    return new AppError('ERR_RESOLVE_FAILED', `docker://${name}: ${why}`);
  }

  #weight(container: Container): number {
    const label = container.labels.get(weightLabel);
    if (label === undefined) return 1;
    const weight = /^\d{1,5}$/.test(label) ? Number(label) : Number.NaN;
    if (weight <= 65_535) return weight;
    if (!this.#complained.has(container.id)) {
      this.#complained.add(container.id);
      const message = `container ${container.name}, label ${weightLabel}: expected 0 to 65535, found "${label}"; taken as 1`;
      this.#options.logger.warn(message, { backend: container.name });
    }
    return 1;
  }
}

/** An address on a shared network, IPv4 before IPv6 whichever network has it. */
function reachableAddress(
  networks: readonly ContainerNetwork[],
  own: ReadonlySet<string> | undefined,
): string | undefined {
  const addresses = networks
    .filter((network) => own === undefined || own.has(network.id))
    .flatMap((network) => network.addresses);
  return addresses.find((ip) => !ip.includes(':')) ?? addresses[0];
}

function noneHealthy(name: string, running: readonly Container[]): AppError {
  const states = running.map((container) => `${container.name} is ${container.health}`).join(', ');
  return new AppError('ERR_NO_ENDPOINT', `docker://${name}: no container is healthy (${states})`);
}

function sameUpdates(a: readonly Update[], b: readonly Update[]): boolean {
  return a.length === b.length && a.every((update, at) => sameUpdate(update, b[at]));
}

function sameUpdate(a: Update, b: Update | undefined): boolean {
  if (b === undefined) return false;
  if (a.ok && b.ok) return sameSet(a.value, b.value);
  return !a.ok && !b.ok && a.error.message === b.error.message;
}
