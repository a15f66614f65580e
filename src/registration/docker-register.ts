import type { Logger } from '../core/log.ts';
import type { Part } from '../core/part.ts';
import type { Container } from '../docker/container.ts';
import type { ContainerFeed } from '../docker/feed.ts';
import type { EntryKeeper } from './keeper.ts';
import { publishedAddress } from './published-address.ts';

/** What docker-register was told: one port of one container, under one name. */
export interface DockerRegisterTarget {
  /** The container's name, or its id from 12 digits on. */
  readonly container: string;
  readonly port: number;
  /** The service's name: the key is `/services/<service>/<container>`. */
  readonly service: string;
  /** Further fields of the document, in their order. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** For a port that is published on every address: what stands in the document. */
  readonly hostIp: string | undefined;
}

export interface DockerRegisterOptions {
  readonly feed: ContainerFeed;
  readonly keeper: Pick<EntryKeeper<string>, 'hold'>;
  readonly logger: Logger;
  readonly target: DockerRegisterTarget;
}

/**
 * Follows one container: while it runs and its port is published, its entry is held; a container that dies or is paused
 * has none. One that is not there yet is waited for.
 */
export class DockerRegister implements Part {
  readonly #options: DockerRegisterOptions;
  #unsubscribe: () => void = () => {};
  /** Why nothing is registered, as it was told last. */
  #reason: string | undefined;

  constructor(options: DockerRegisterOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#unsubscribe = this.#options.feed.subscribe(() => this.#look());
    this.#look();
  }

  async stop(): Promise<void> {
    this.#unsubscribe();
  }

  #look(): void {
    const { feed, keeper, target, logger } = this.#options;
    const entry = readEntry(find(feed.containers.values(), target.container), target);
    keeper.hold('reason' in entry ? new Map() : new Map([[entry.key, entry.value]]));
    const reason = 'reason' in entry ? entry.reason : undefined;
    if (reason !== undefined && reason !== this.#reason) logger.warn(`nothing is registered: ${reason}`);
    this.#reason = reason;
  }
}

function find(containers: Iterable<Container>, wanted: string): Container | undefined {
  const all = [...containers];
  const isId = /^[0-9a-f]{12,64}$/.test(wanted);
  return all.find(({ name }) => name === wanted) ?? all.find(({ id }) => isId && id.startsWith(wanted));
}

/**
 * The key and the document of docker-register: `{"port":49155,"host":"10.132.181.182", …}`.
 *
 * @returns or why there is none
 */
export function readEntry(
  container: Container | undefined,
  target: DockerRegisterTarget,
): { readonly key: string; readonly value: string } | { readonly reason: string } {
  const name = target.container;
  if (container === undefined) return { reason: `container ${name} does not run; waiting for it` };
  if (container.state === 'paused') return { reason: `container ${name} is paused` };
  const address = publishedAddress(container, target.port, target.hostIp);
  if (!address.ok) return { reason: address.error.message };
  const { port, host } = address.value;
  const value = JSON.stringify({ port, host, ...Object.fromEntries(target.fields) });
  return { key: `/services/${target.service}/${name}`, value };
}
