import type { Caller, CallerChange } from '../caller/caller.ts';
import type { Container } from '../docker/container.ts';
import type { ContainerFeed } from '../docker/feed.ts';
import { anyCaller } from '../route/table.ts';
import { commonRoutes, linkedCaller, type Services } from './service-routes.ts';

export interface ServiceCallersOptions {
  /** Absent: nobody's links are known. */
  readonly feed?: Pick<ContainerFeed, 'containers' | 'subscribe'> | undefined;
  /** The container that the gateway runs in. */
  readonly selfId?: string | undefined;
  /** Told of each change, and only of changes. */
  readonly onChange: (change: CallerChange) => void;
}

/** Who is led where by the services' ports: everybody alike, and by name whoever's link says otherwise. */
export class ServiceCallers {
  readonly #options: ServiceCallersOptions;
  /** What was told of each, to see whether it has changed. */
  readonly #told = new Map<string, string>();
  readonly #unsubscribe: (() => void) | undefined;
  #services: Services = new Map();

  constructor(options: ServiceCallersOptions) {
    this.#options = options;
    this.#unsubscribe = options.feed?.subscribe((change) => {
      if (change.kind === 'present') this.#container(change.container);
      else this.#tell(change.id, undefined);
    });
  }

  set(services: Services): void {
    this.#services = services;
    this.#tell(anyCaller, { id: anyCaller, name: 'any', addresses: [], routes: commonRoutes(services) });
    for (const container of this.#options.feed?.containers.values() ?? []) this.#container(container);
  }

  stop(): void {
    this.#unsubscribe?.();
  }

  #container(container: Container): void {
    this.#tell(
      container.id,
      linkedCaller(container, this.#services, (target) => this.#isSelf(target)),
    );
  }

  #isSelf(target: string): boolean {
    const { feed, selfId } = this.#options;
    if (selfId === undefined) return false;
    return target === selfId || target === feed?.containers.get(selfId)?.name;
  }

  #tell(id: string, caller: Caller | undefined): void {
    const text = caller === undefined ? undefined : JSON.stringify([caller, [...caller.routes]]);
    if (this.#told.get(id) === text) return;
    if (caller === undefined || text === undefined) {
      this.#told.delete(id);
      this.#options.onChange({ kind: 'caller-gone', id });
    } else {
      this.#told.set(id, text);
      this.#options.onChange({ kind: 'caller', caller });
    }
  }
}
