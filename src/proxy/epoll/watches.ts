import type { Kernel } from './kernel.ts';

/** Whose sockets are watched. */
export interface Watcher {
  onEdge(fd: number, events: number): void;
  /** After an exception of `onEdge`: close everything, whatever state it is in. */
  abandon(): void;
}

/**
 * Which object an event of a descriptor belongs to. A number that was closed and given out again within one round is a
 * new generation, so an event of its earlier life goes to nobody.
 */
export class Watches {
  readonly #kernel: Pick<Kernel, 'watch'>;
  readonly #watchers: (Watcher | undefined)[] = [];
  readonly #generations: number[] = [];
  #last = 0;

  constructor(kernel: Pick<Kernel, 'watch'>) {
    this.#kernel = kernel;
  }

  /** @returns 0, or the error's number below zero: then nothing is watched */
  add(fd: number, watcher: Watcher): number {
    this.#last = this.#last === 0x7fffffff ? 1 : this.#last + 1;
    const failed = this.#kernel.watch(fd, this.#last);
    if (failed < 0) return failed;
    // A hole would turn the array into a table of another kind, which is slower.
    while (this.#watchers.length <= fd) {
      this.#watchers.push(undefined);
      this.#generations.push(0);
    }
    this.#watchers[fd] = watcher;
    this.#generations[fd] = this.#last;
    return 0;
  }

  /** Before the descriptor is closed. */
  forget(fd: number): void {
    if (fd >= this.#watchers.length) return;
    this.#watchers[fd] = undefined;
    this.#generations[fd] = 0;
  }

  /** The one to tell, or undefined for an event that has outlived its descriptor. */
  find(fd: number, generation: number): Watcher | undefined {
    return this.#generations[fd] === generation ? this.#watchers[fd] : undefined;
  }
}
