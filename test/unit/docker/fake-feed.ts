import type { Container } from '../../../src/docker/container.ts';
import type { ContainerChange, ContainerFeed } from '../../../src/docker/feed.ts';

/** A container with what a test does not care about filled in; its network is `bridge` where only addresses are given. */
export function container(
  rest: Partial<Container> & { readonly addresses?: readonly string[] } = {},
): Container {
  const { addresses = ['10.0.0.1'], ...given } = rest;
  return {
    id: 'c1',
    name: 'web-1',
    state: 'running',
    health: 'none',
    env: [],
    labels: new Map(),
    networks: addresses.length === 0 ? [] : [{ id: 'net-bridge', name: 'bridge', addresses }],
    published: [],
    links: [],
    networkMode: 'bridge',
    image: 'sha256:web',
    pid: 0,
    ...given,
  };
}

/** A container feed in memory. */
export class FakeFeed implements ContainerFeed {
  readonly containers = new Map<string, Container>();
  refreshes = 0;
  /** What a refresh does, before it resolves. */
  onRefresh: () => void | Promise<void> = () => {};
  readonly #listeners = new Set<(change: ContainerChange) => void>();

  get subscribers(): number {
    return this.#listeners.size;
  }

  subscribe(listener: (change: ContainerChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async refresh(): Promise<void> {
    this.refreshes += 1;
    await this.onRefresh();
  }

  present(found: Container): void {
    this.containers.set(found.id, found);
    this.#emit({ kind: 'present', container: found });
  }

  gone(id: string): void {
    this.containers.delete(id);
    this.#emit({ kind: 'gone', id });
  }

  #emit(change: ContainerChange): void {
    for (const listener of [...this.#listeners]) listener(change);
  }
}
