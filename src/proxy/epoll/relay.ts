import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP } from '../../sys/epoll.ts';
import type { Tally } from '../traffic.ts';
import { Lane, type LaneParts, type Side } from './lane.ts';

/** Takes down what an event has told of a side. */
export function noteEdge(side: Side, events: number): void {
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) !== 0) side.isReadable = true;
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) !== 0) side.isWritable = true;
  if ((events & EPOLLRDHUP) !== 0) side.hasEnded = true;
  if ((events & EPOLLERR) !== 0) side.hasFailed = true;
  if ((events & EPOLLPRI) !== 0) side.isUrgent = true;
}

/**
 * open: the next edge goes on; again: there is more to do after the others' turns
 * closed: both directions have come to their end; broken: one side has failed
 */
export type RelayState = 'open' | 'again' | 'closed' | 'broken';

/** Both directions of a connection. It owns no descriptor: whoever made the sides closes them. */
export class Relay {
  readonly #lanes: LaneParts;
  readonly #caller: Side;
  readonly #endpoint: Side;
  readonly up: Lane;
  readonly down: Lane;
  /** Of `broken`: whose fault, and the error's number. */
  brokenSide: Side | undefined;
  errno = 0;

  constructor(lanes: LaneParts, caller: Side, endpoint: Side, tally: Tally) {
    this.#lanes = lanes;
    this.#caller = caller;
    this.#endpoint = endpoint;
    this.up = new Lane(lanes, caller, endpoint, 'bytesUp', tally);
    this.down = new Lane(lanes, endpoint, caller, 'bytesDown', tally);
  }

  /** Whether one direction has ended: the other may then be silent for a bounded time. */
  get isHalfClosed(): boolean {
    return this.up.isEnded || this.down.isEnded;
  }

  pump(): RelayState {
    const { up, down } = this;
    const upState = up.pump(down.isFinished);
    if (upState === 'broken') return this.#broken(up.brokenSide, up.errno);
    const downState = down.pump(up.isFinished);
    if (downState === 'broken') return this.#broken(down.brokenSide, down.errno);
    if (up.isFinished && down.isFinished) return 'closed';
    if (upState === 'again' || downState === 'again') return 'again';
    if (this.#caller.hasFailed && this.#hasBroken(this.#caller, up)) return 'broken';
    if (this.#endpoint.hasFailed && this.#hasBroken(this.#endpoint, down)) return 'broken';
    return 'open';
  }

  /** Gives back what the lanes hold. */
  release(): void {
    this.up.release();
    this.down.release();
  }

  /**
   * A side whose error no read has come upon, because its stream has ended already or is not read now. What it had
   * sent before still goes to a receiver that is slow.
   */
  #hasBroken(side: Side, from: Lane): boolean {
    if (!from.isEnded && side.isReadable) return false;
    const errno = this.#lanes.kernel.takeError(side.fd);
    side.hasFailed = false;
    if (errno === 0) return false;
    this.#broken(side, errno);
    return true;
  }

  #broken(side: Side | undefined, errno: number): RelayState {
    this.brokenSide = side;
    this.errno = errno;
    return 'broken';
  }
}
