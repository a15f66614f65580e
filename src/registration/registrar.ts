import type { Logger } from '../core/log.ts';
import type { Part } from '../core/part.ts';
import type { Container } from '../docker/container.ts';
import type { ContainerChange, ContainerFeed } from '../docker/feed.ts';
import { type ContainerEntries, containerEntries, type Registration } from './container-entries.ts';

export interface RegistrarOptions {
  readonly feed: ContainerFeed;
  /** Takes all that is to be registered from now on. */
  readonly hold: (registrations: readonly Registration[]) => void;
  readonly hostIp: string | undefined;
  readonly logger: Logger;
}

/**
 * Follows the containers of this host and has what they ask for registered. A container that stops, dies, is paused, or
 * loses its published ports is out at once. What cannot be registered is counted, and told once a container.
 */
export class Registrar implements Part {
  readonly #options: RegistrarOptions;
  readonly #entries = new Map<string, ContainerEntries>();
  /** By container, for as long as it runs: what has been told. */
  readonly #told = new Map<string, Set<string>>();
  #unsubscribe: () => void = () => {};

  constructor(options: RegistrarOptions) {
    this.#options = options;
  }

  /** What cannot be registered of the containers that run now, a line each. */
  get problems(): readonly string[] {
    return [...this.#entries.values()].flatMap((entries) => entries.problems);
  }

  async start(): Promise<void> {
    const { feed } = this.#options;
    this.#unsubscribe = feed.subscribe((change) => {
      this.#take(change);
      this.#tell();
    });
    for (const container of feed.containers.values()) this.#take({ kind: 'present', container });
    this.#tell();
  }

  async stop(): Promise<void> {
    this.#unsubscribe();
  }

  #take(change: ContainerChange): void {
    if (change.kind === 'gone') {
      this.#entries.delete(change.id);
      this.#told.delete(change.id);
      return;
    }
    const { container } = change;
    const { hostIp } = this.#options;
    const { registrations, problems } = containerEntries(container, hostIp);
    const named = problems.map((problem) => `container ${container.name}: not registered: ${problem}`);
    for (const line of named) this.#tellOnce(container, line);
    if (registrations.length === 0 && named.length === 0) this.#entries.delete(container.id);
    else this.#entries.set(container.id, { registrations, problems: named });
  }

  #tellOnce({ id, name }: Container, line: string): void {
    const told = this.#told.get(id) ?? new Set();
    this.#told.set(id, told);
    if (told.has(line)) return;
    told.add(line);
    this.#options.logger.warn(line, { container: name });
  }

  #tell(): void {
    this.#options.hold([...this.#entries.values()].flatMap(({ registrations }) => registrations));
  }
}
