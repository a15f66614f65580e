import type { ContainerChange, ContainerFeed } from '../../../src/docker/feed.ts';

/** Writes down what a feed tells, as `+name` and `-<id>`, and waits for what it should come to. */
export class Follower {
  readonly changes: ContainerChange[] = [];
  readonly #feed: ContainerFeed;
  readonly #waiting = new Set<() => void>();
  readonly #unsubscribe: () => void;

  constructor(feed: ContainerFeed) {
    this.#feed = feed;
    this.#unsubscribe = feed.subscribe((change) => {
      this.changes.push(change);
      for (const check of [...this.#waiting]) check();
    });
  }

  get told(): string[] {
    return this.changes.map((change) =>
      change.kind === 'present' ? `+${change.container.name}` : `-${Number.parseInt(change.id, 16)}`,
    );
  }

  get names(): string[] {
    return [...this.#feed.containers.values()].map((container) => container.name).sort();
  }

  /** Resolves once `holds` is true; looks again after each change. Fails after 10 s, so that a test can clean up. */
  async until(holds: () => boolean): Promise<void> {
    if (holds()) return;
    await new Promise<void>((resolve, reject) => {
      const end = () => {
        this.#waiting.delete(check);
        clearTimeout(limit);
      };
      const check = () => {
        if (!holds()) return;
        end();
        resolve();
      };
      const limit = setTimeout(() => {
        end();
        reject(new Error(`waited 10 s in vain for ${holds}; told: ${this.told.join(' ')}`));
      }, 10_000);
      this.#waiting.add(check);
    });
  }

  end(): void {
    this.#unsubscribe();
  }
}
