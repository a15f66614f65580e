import { errnos } from '../../sys/sockets.ts';
import type { Tally } from '../traffic.ts';
import type { Kernel, Pipe } from './kernel.ts';
import type { PipePool } from './pipe-pool.ts';

const { EAGAIN, EINTR, EINVAL } = errnos;

/** One side's socket, and what its edges have told. A flag is cleared only by the EAGAIN (or its like) that disproves it. */
export class Side {
  readonly fd: number;
  isReadable = false;
  isWritable: boolean;
  /** The end of the stream is there to be read, so a short read is not the last one. */
  hasEnded = false;
  /** The connection is broken; what it had sent before may still be there to be read. */
  hasFailed = false;
  /** Urgent data makes a read end early (tcp(7)): a short read says nothing. */
  isUrgent = false;

  /** @param isConnected a connection that is under way is writable once it is there */
  constructor(fd: number, isConnected: boolean) {
    this.fd = fd;
    this.isWritable = isConnected;
  }
}

/** What all lanes of a thread share. */
export interface LaneParts {
  readonly kernel: Kernel;
  readonly pipes: PipePool;
  /** Where bytes pass that are copied. */
  readonly buffer: Buffer;
  /** A read of this many bytes begins the moving by pipe; four in a row of less than a quarter of that end it. */
  readonly bulkRead: number;
}

/** Rounds of one turn; then others have theirs. */
const roundsPerTurn = 8;
const smallReadsInARow = 4;

/**
 * waits: nothing can be done before the next edge
 * again: its turn is over, and there may be more to do
 * finished: the end of the stream has been passed on
 * broken: `errno` of `brokenSide`
 */
export type LaneState = 'waits' | 'again' | 'finished' | 'broken';

/**
 * One direction of a connection. Small messages are copied through one buffer, which costs two system calls; what fills
 * the buffer goes on by splice(2) through a pipe, until reads are small again. What the receiver does not take stays in the pipe
 * or in `#rest`, and nothing more is read until it has been taken: that is the back-pressure.
 */
export class Lane {
  readonly #parts: LaneParts;
  readonly #from: Side;
  readonly #to: Side;
  readonly #bytes: 'bytesUp' | 'bytesDown';
  readonly #tally: Tally;
  #rest: Buffer | undefined;
  #pipe: Pipe | undefined;
  #inPipe = 0;
  #isBulk = false;
  #smallReads = 0;
  /** Bytes that have been read. */
  moved = 0;
  /** The sender has ended; something may still be on its way to the receiver. */
  isEnded = false;
  /** The receiver knows that. */
  isFinished = false;
  errno = 0;
  brokenSide: Side | undefined;

  constructor(parts: LaneParts, from: Side, to: Side, bytes: 'bytesUp' | 'bytesDown', tally: Tally) {
    this.#parts = parts;
    this.#from = from;
    this.#to = to;
    this.#bytes = bytes;
    this.#tally = tally;
  }

  /** Whether something waits for the receiver. */
  get isBlocked(): boolean {
    return this.#rest !== undefined || this.#inPipe > 0;
  }

  /** Sends these bytes before all others; they are not counted. */
  sendFirst(bytes: Buffer): void {
    this.#rest = bytes;
  }

  /**
   * Moves what can be moved now, in a bounded turn.
   *
   * @param isLast the other direction is finished: the FIN is left to the close that follows
   */
  pump(isLast: boolean): LaneState {
    for (let round = 0; round < roundsPerTurn; round++) {
      if (this.#rest !== undefined) {
        if (!this.#to.isWritable) return 'waits';
        if (!this.#sendRest()) return this.#outcome();
      } else if (this.#inPipe > 0) {
        if (!this.#to.isWritable) return 'waits';
        if (!this.#drainPipe()) return this.#outcome();
      } else if (this.isEnded) {
        return this.#finish(isLast);
      } else {
        if (!this.#from.isReadable || !this.#to.isWritable) {
          this.#releasePipe();
          return 'waits';
        }
        if (!(this.#isBulk ? this.#fillPipe() : this.#copy())) return this.#outcome();
      }
    }
    return 'again';
  }

  /** Gives the pipe back; what was in it is lost. */
  release(): void {
    this.#rest = undefined;
    this.#releasePipe();
  }

  #outcome(): LaneState {
    return this.brokenSide === undefined ? 'waits' : 'broken';
  }

  #finish(isLast: boolean): LaneState {
    this.#releasePipe();
    if (!this.isFinished) {
      this.isFinished = true;
      if (!isLast) {
        const result = this.#parts.kernel.shutdownWrite(this.#to.fd);
        if (result < 0) {
          this.#isBroken(this.#to, -result);
          return 'broken';
        }
      }
    }
    return 'finished';
  }

  #isBroken(side: Side, errno: number): false {
    this.errno = errno;
    this.brokenSide = side;
    return false;
  }

  /** @returns whether to go on: the error is neither EAGAIN nor a broken connection */
  #readFailed(error: number): boolean {
    if (error === -EAGAIN) {
      this.#from.isReadable = false;
      return true;
    }
    return error === -EINTR || this.#isBroken(this.#from, -error);
  }

  #writeFailed(error: number): boolean {
    if (error === -EAGAIN) {
      this.#to.isWritable = false;
      return true;
    }
    return error === -EINTR || this.#isBroken(this.#to, -error);
  }

  #count(bytes: number): void {
    this.moved += bytes;
    this.#tally[this.#bytes] += bytes;
  }

  #copy(): boolean {
    const { kernel, buffer } = this.#parts;
    const from = this.#from;
    const got = kernel.recv(from.fd, buffer, buffer.length);
    if (got < 0) return this.#readFailed(got);
    if (got === 0) {
      this.isEnded = true;
      return true;
    }
    this.#count(got);
    const isShort = got < buffer.length;
    const isMoreToRead = from.hasEnded || from.hasFailed || from.isUrgent;
    // A stream socket that gives less than was asked for is empty, and the next byte is a new edge (epoll(7)). An end
    // that has been told already is no new edge: it is read at once, and its FIN can go with these bytes.
    if (isShort && !isMoreToRead) from.isReadable = false;
    // What came before a FIN has been read with it; the read that would answer 0 is spared.
    if (isShort && from.hasEnded && !from.hasFailed && !from.isUrgent) this.isEnded = true;
    if (got >= this.#parts.bulkRead) this.#isBulk = true;
    const sent = kernel.send(this.#to.fd, buffer, got, this.isEnded);
    if (sent === got) return true;
    if (sent < 0 && !this.#writeFailed(sent)) return false;
    this.#rest = Buffer.from(buffer.subarray(Math.max(0, sent), got));
    return true;
  }

  #sendRest(): boolean {
    const rest = this.#rest;
    if (rest === undefined) return true;
    const sent = this.#parts.kernel.send(this.#to.fd, rest, rest.length, false);
    if (sent < 0) return this.#writeFailed(sent);
    this.#rest = sent < rest.length ? rest.subarray(sent) : undefined;
    return true;
  }

  #fillPipe(): boolean {
    const { kernel, pipes } = this.#parts;
    this.#pipe ??= pipes.take();
    const pipe = this.#pipe;
    if (pipe === undefined) return this.#copy();
    const got = kernel.splice(this.#from.fd, pipe.writeEnd, pipe.size);
    if (got === -EINVAL) {
      this.#isBulk = false;
      return true;
    }
    if (got < 0) return this.#readFailed(got);
    if (got === 0) {
      this.isEnded = true;
      return true;
    }
    this.#inPipe = got;
    this.#count(got);
    this.#smallReads = got < this.#parts.bulkRead / 4 ? this.#smallReads + 1 : 0;
    if (this.#smallReads >= smallReadsInARow) this.#isBulk = false;
    return true;
  }

  #drainPipe(): boolean {
    const pipe = this.#pipe;
    if (pipe === undefined) return true;
    const sent = this.#parts.kernel.splice(pipe.readEnd, this.#to.fd, this.#inPipe);
    if (sent < 0) return this.#writeFailed(sent);
    this.#inPipe -= sent;
    return true;
  }

  #releasePipe(): void {
    if (this.#pipe === undefined) return;
    this.#parts.pipes.giveBack(this.#pipe, this.#inPipe === 0);
    this.#pipe = undefined;
    this.#inPipe = 0;
  }
}
