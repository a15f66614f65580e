import { Writable } from 'node:stream';

/** Most that waits for a reader, bytes: some ten thousand lines. */
const maxWaitingBytes = 4 * 1024 * 1024;

/**
 * Takes log lines to standard output, or drops them where nobody reads it. Node never waits for a pipe, it keeps what
 * does not fit; and Docker reads a container's pipe no more while its daemon is away, for however long that may be.
 */
export class LogOutput extends Writable {
  readonly #to: Pick<Writable, 'write' | 'writableLength'>;
  readonly #onLost: (lines: number) => void;
  #lost = 0;
  #gathered: string[] = [];
  #gatheredLength = 0;

  /** @param onLost told how many lines have been dropped, once there is room again */
  constructor(to: Pick<Writable, 'write' | 'writableLength'>, onLost: (lines: number) => void) {
    super({ decodeStrings: false });
    this.#to = to;
    this.#onLost = onLost;
  }

  /** @param lines one, or many at a time, each with its newline */
  override _write(lines: string, _encoding: BufferEncoding, done: () => void): void {
    if (this.#to.writableLength + this.#gatheredLength > maxWaitingBytes) {
      this.#lost += lines.split('\n').length - 1;
    } else {
      this.#gathered.push(lines);
      this.#gatheredLength += lines.length;
      // What is logged in one go is one write: a system call a line would cost more than the line.
      if (this.#gathered.length === 1) queueMicrotask(() => this.#flush());
      const lost = this.#lost;
      this.#lost = 0;
      if (lost > 0) this.#onLost(lost);
    }
    done();
  }

  #flush(): void {
    this.#to.write(this.#gathered.join(''));
    this.#gathered = [];
    this.#gatheredLength = 0;
  }
}
