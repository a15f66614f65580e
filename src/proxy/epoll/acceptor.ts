import { Backoff } from '../../core/backoff.ts';
import { errnoName } from '../../sys/libc.ts';
import { errnos } from '../../sys/sockets.ts';
import { addressFamily } from '../../sys/write-sockaddr.ts';
import { outOfFilesText } from '../connection-limit.ts';
import type { Kernel } from './kernel.ts';
import type { Reports } from './reports.ts';
import type { Timed, TimerWheel } from './timers.ts';
import type { Watcher, Watches } from './watches.ts';

/** Connections that are accepted in one turn; then those that are open have theirs. */
const perTurn = 64;

const { EAGAIN, EINTR, EINVAL, EBADF, EMFILE, ENFILE, ENOBUFS, ENOMEM } = errnos;

export interface AcceptorParts {
  readonly kernel: Kernel;
  readonly watches: Watches;
  readonly timers: TimerWheel;
  readonly clock: { readonly now: number };
  readonly reports: Reports;
  readonly runAgain: (turn: { pump(): void; abandon(): void }) => void;
  /** Takes the descriptor over. The peer's address is in the kernel's buffer. */
  readonly onAccepted: (fd: number) => void;
  /** Told of each caller that was reset because no file was left. */
  readonly onShed: () => void;
}

/**
 * Accepts from one listening socket, which stays its opener's. Where no file is left, a spare one is given up for as long
 * as it takes to accept the caller and to reset it, so that it learns at once; where memory is short, callers wait.
 */
export class Acceptor implements Watcher, Timed {
  deadline = 0;
  slot = -1;
  next: Timed | undefined = undefined;
  previous: Timed | undefined = undefined;
  readonly #listener: number;
  readonly #parts: AcceptorParts;
  readonly #backoff = new Backoff({ initialMs: 100, maxMs: 2000, factor: 2 });
  #spare: number;
  #hasTold = false;
  #isClosed = false;

  constructor(listener: number, parts: AcceptorParts) {
    this.#listener = listener;
    this.#parts = parts;
    this.#spare = parts.kernel.open(addressFamily[4]);
  }

  /** @returns 0, or the error's number below zero */
  begin(): number {
    return this.#parts.watches.add(this.#listener, this);
  }

  /** Accepts nothing more. The listening socket itself is its opener's to close, after this. */
  stop(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#parts.timers.clear(this);
    this.#parts.watches.forget(this.#listener);
    this.#parts.kernel.unwatch(this.#listener);
    this.#giveUpSpare();
  }

  onEdge(): void {
    this.pump();
  }

  onDeadline(): void {
    this.pump();
  }

  /** A fault in accepting ends that turn; the next edge begins another. */
  abandon(): void {}

  pump(): void {
    const { kernel, onAccepted, runAgain } = this.#parts;
    for (let count = 0; count < perTurn && !this.#isClosed; count++) {
      const fd = kernel.accept(this.#listener);
      if (fd >= 0) {
        this.#hasTold = false;
        this.#backoff.reset();
        onAccepted(fd);
      } else if (!this.#goesOnAfter(-fd)) {
        return;
      }
    }
    if (!this.#isClosed) runAgain(this);
  }

  #goesOnAfter(errno: number): boolean {
    switch (errno) {
      case EAGAIN:
      // The listener was shut down: `stop` is on its way.
      case EINVAL:
      case EBADF:
        return false;
      case EINTR:
        return true;
      case EMFILE:
      case ENFILE:
        this.#tell(errno === EMFILE ? outOfFilesText : 'ENFILE', errno, 'callers are reset');
        return this.#shed() || this.#pause();
      case ENOBUFS:
      case ENOMEM:
        this.#tell(errnoName(errno), errno, 'callers wait');
        return this.#pause();
      // The caller has gone, or its network has (accept(2)): the next one may be there.
      default:
        return true;
    }
  }

  /** @returns whether the one that waited longest is reset */
  #shed(): boolean {
    const { kernel, onShed } = this.#parts;
    this.#giveUpSpare();
    const fd = kernel.accept(this.#listener);
    if (fd >= 0) {
      kernel.reset(fd);
      onShed();
    }
    this.#spare = kernel.open(addressFamily[4]);
    return fd >= 0;
  }

  #giveUpSpare(): void {
    if (this.#spare >= 0) this.#parts.kernel.close(this.#spare);
    this.#spare = -1;
  }

  #pause(): false {
    const { timers, clock } = this.#parts;
    timers.set(this, clock.now + this.#backoff.next());
    return false;
  }

  #tell(what: string, errno: number, consequence: string): void {
    if (this.#hasTold) return;
    this.#hasTold = true;
    this.#parts.reports.line('error', `accept: ${what}; ${consequence}`, { code: errnoName(errno) });
  }
}
