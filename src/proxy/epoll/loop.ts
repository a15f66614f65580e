import type { Epoll, WakeUp } from '../../sys/epoll.ts';
import { EPOLLIN } from '../../sys/epoll.ts';
import type { ThreadParts, Turn } from './context.ts';
import { Front } from './front.ts';
import type { Kernel } from './kernel.ts';
import type { FromWorker, ToWorker } from './messages.ts';
import { PipePool } from './pipe-pool.ts';
import { type Timed, TimerWheel } from './timers.ts';
import { Watches } from './watches.ts';

/** Bytes that one read may copy. */
const bufferBytes = 65_536;
/** From so many bytes in one read on, a pipe is cheaper than copying. */
const bulkRead = 32_768;
/** Between two reports of the counters, ms; also how long the thread may sleep, so that it can always be ended. */
const housekeepingMs = 1000;

export interface LoopParts {
  readonly thread: number;
  readonly kernel: Kernel;
  readonly epoll: Epoll;
  readonly wakeUp: WakeUp;
  readonly maxPipes: number;
  /** The next message from the main thread, or undefined. */
  readonly receive: () => ToWorker | undefined;
  readonly post: (message: FromWorker) => void;
  /** ms */
  readonly now: () => number;
}

/**
 * A worker's life: waits for edges, lets each socket's owner do its work, keeps deadlines, reads the main thread's
 * messages and reports to it. Never returns to the thread's own event loop until it is told to end.
 */
export class Loop {
  readonly #parts: LoopParts;
  readonly #thread: ThreadParts;
  readonly #fronts = new Map<number, Front>();
  readonly #clock: { now: number };
  readonly #timers: TimerWheel;
  readonly #watches: Watches;
  readonly #pipes: PipePool;
  #again: Turn[] = [];
  #housekeepingAt: number;
  #isEnded = false;

  constructor(parts: LoopParts) {
    const { kernel, now, thread, post, maxPipes, epoll, wakeUp } = parts;
    this.#parts = parts;
    this.#clock = { now: now() };
    this.#housekeepingAt = this.#clock.now + housekeepingMs;
    this.#timers = new TimerWheel(this.#clock.now);
    this.#watches = new Watches(kernel);
    this.#pipes = new PipePool(kernel, maxPipes);
    this.#thread = {
      thread,
      lanes: { kernel, pipes: this.#pipes, buffer: Buffer.allocUnsafeSlow(bufferBytes), bulkRead },
      watches: this.#watches,
      timers: this.#timers,
      clock: this.#clock,
      runAgain: (turn) => void this.#again.push(turn),
      post,
    };
    epoll.add(wakeUp.fd, EPOLLIN, 0);
  }

  run(): void {
    while (!this.#isEnded) this.#round();
    this.#pipes.trim();
  }

  #round(): void {
    const { epoll, wakeUp, now } = this.#parts;
    const count = epoll.wait(this.#patience());
    this.#clock.now = now();
    for (let index = 0; index < count; index++) {
      const fd = epoll.fdAt(index);
      if (fd === wakeUp.fd) {
        wakeUp.silence();
        this.#readMessages();
        continue;
      }
      const watcher = this.#watches.find(fd, epoll.generationAt(index));
      if (watcher === undefined) continue;
      try {
        watcher.onEdge(fd, epoll.eventsAt(index));
      } catch (fault) {
        this.#faulted(watcher, fault);
      }
    }
    this.#runTurns();
    this.#timers.advance(this.#clock.now, this.#expire);
    this.#report();
  }

  /** How long the next wait may last, ms. */
  #patience(): number {
    if (this.#again.length > 0) return 0;
    const { now } = this.#clock;
    let until = this.#housekeepingAt;
    for (const front of this.#fronts.values()) until = Math.min(until, front.reports.due);
    return Math.max(0, Math.min(until - now, this.#timers.msLeft(now)));
  }

  #runTurns(): void {
    if (this.#again.length === 0) return;
    const turns = this.#again;
    this.#again = [];
    for (const turn of turns) {
      try {
        turn.pump();
      } catch (fault) {
        this.#faulted(turn, fault);
      }
    }
  }

  readonly #expire = (entry: Timed): void => {
    try {
      entry.onDeadline();
    } catch (fault) {
      this.#faulted(entry, fault);
    }
  };

  #faulted(turn: { abandon(): void }, fault: unknown): void {
    const [front] = this.#fronts.values();
    if (front === undefined) throw fault;
    front.faulted(turn, fault);
  }

  #report(): void {
    const { now } = this.#clock;
    const isHousekeeping = now >= this.#housekeepingAt;
    if (isHousekeeping) {
      this.#housekeepingAt = now + housekeepingMs;
      this.#pipes.trim();
    }
    for (const front of this.#fronts.values()) {
      if (isHousekeeping || now >= front.reports.due) front.report(isHousekeeping);
    }
  }

  #readMessages(): void {
    for (let message = this.#parts.receive(); message !== undefined; message = this.#parts.receive()) {
      this.#obey(message);
    }
  }

  #obey(message: ToWorker): void {
    if (message.kind === 'end') {
      for (const front of this.#fronts.values()) front.close();
      this.#isEnded = true;
      return;
    }
    if (message.kind === 'open') {
      const front = new Front(message.settings, this.#thread);
      this.#fronts.set(message.settings.front, front);
      front.begin();
      return;
    }
    const { post } = this.#parts;
    const number = message.front;
    const front = this.#fronts.get(number);
    switch (message.kind) {
      case 'routes':
        front?.applyRoutes(message.changes);
        break;
      case 'own-addresses':
        front?.setOwnAddresses(message.addresses);
        break;
      case 'looked-up':
        front?.waiting.callerAnswered(message.ip);
        break;
      case 'drain':
        front?.stopListening();
        post({ kind: 'deaf', front: number });
        front?.drain();
        break;
      case 'cut-off':
        front?.cutOff();
        break;
      case 'close':
        front?.close();
        this.#fronts.delete(number);
        post({ kind: 'closed', front: number } satisfies FromWorker);
        break;
    }
  }
}
