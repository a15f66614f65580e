import type { Kernel, Pipe } from './kernel.ts';

/**
 * Pipes for the lanes that move much. A lane has one only while it moves bytes, so a few serve many connections; above
 * the bound, and where the kernel gives none, the lane copies.
 */
export class PipePool {
  readonly #kernel: Pick<Kernel, 'openPipe' | 'close'>;
  readonly #most: number;
  readonly #free: Pipe[] = [];
  #open = 0;

  /** @param most pipes that are open at a time, two descriptors each */
  constructor(kernel: Pick<Kernel, 'openPipe' | 'close'>, most: number) {
    this.#kernel = kernel;
    this.#most = most;
  }

  /** Pipes that are open, in use or not. */
  get open(): number {
    return this.#open;
  }

  /** An empty pipe; undefined where there is none to have. */
  take(): Pipe | undefined {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#open >= this.#most) return undefined;
    const pipe = this.#kernel.openPipe();
    if (pipe !== undefined) this.#open++;
    return pipe;
  }

  /** @param isEmpty whether nothing is left in it: bytes of one connection must not come out in another */
  giveBack(pipe: Pipe, isEmpty: boolean): void {
    if (isEmpty) this.#free.push(pipe);
    else this.#close(pipe);
  }

  /** Closes the pipes that nobody uses. */
  trim(): void {
    for (const pipe of this.#free.splice(0)) this.#close(pipe);
  }

  #close({ readEnd, writeEnd }: Pipe): void {
    this.#kernel.close(readEnd);
    this.#kernel.close(writeEnd);
    this.#open--;
  }
}
