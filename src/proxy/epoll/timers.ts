/** Something that has one deadline at a time. The fields belong to the wheel. */
export interface Timed {
  deadline: number;
  slot: number;
  next: Timed | undefined;
  previous: Timed | undefined;
  onDeadline(): void;
  /** After an exception of `onDeadline`. */
  abandon(): void;
}

/** Coarse on purpose: a deadline may be late by this, ms. */
const tickMs = 8;
const slots = 1024;

/**
 * Deadlines for a thread that is blocked in epoll_wait: a hashed wheel of linked lists, so that setting and clearing
 * one costs nothing that grows. A deadline further off than one turn of the wheel stays in its slot for another turn.
 */
export class TimerWheel {
  readonly #slots: (Timed | undefined)[] = new Array<Timed | undefined>(slots).fill(undefined);
  #tick: number;
  #soonest = Number.POSITIVE_INFINITY;
  #count = 0;

  /** @param now ms, as in every other call */
  constructor(now: number) {
    this.#tick = Math.floor(now / tickMs);
  }

  set(entry: Timed, deadline: number): void {
    this.clear(entry);
    const tick = Math.max(this.#tick + 1, Math.ceil(deadline / tickMs));
    const slot = tick % slots;
    const head = this.#slots[slot];
    entry.deadline = tick * tickMs;
    entry.slot = slot;
    entry.previous = undefined;
    entry.next = head;
    if (head !== undefined) head.previous = entry;
    this.#slots[slot] = entry;
    this.#count++;
    if (entry.deadline < this.#soonest) this.#soonest = entry.deadline;
  }

  clear(entry: Timed): void {
    if (entry.slot < 0) return;
    if (entry.previous === undefined) this.#slots[entry.slot] = entry.next;
    else entry.previous.next = entry.next;
    if (entry.next !== undefined) entry.next.previous = entry.previous;
    entry.slot = -1;
    entry.next = undefined;
    entry.previous = undefined;
    this.#count--;
  }

  /** How long a wait may last, ms; Infinity where there is no deadline. May be too short, never too long. */
  msLeft(now: number): number {
    return this.#count === 0 ? Number.POSITIVE_INFINITY : Math.max(0, this.#soonest - now);
  }

  /**
   * Lets everything expire whose deadline has come.
   *
   * @param expire calls the entry's `onDeadline`; it may set and clear others, and does not throw
   */
  advance(now: number, expire: (entry: Timed) => void): void {
    const until = Math.floor(now / tickMs);
    if (this.#count === 0 || now < this.#soonest) {
      if (this.#count === 0) this.#tick = until;
      return;
    }
    const first = Math.max(this.#tick + 1, until - slots + 1);
    this.#tick = until;
    for (let tick = first; tick <= until; tick++) this.#expire(tick % slots, now, expire);
    this.#soonest = this.#findSoonest();
  }

  #expire(slot: number, now: number, expire: (entry: Timed) => void): void {
    // An entry may set or clear others in the same slot, so the walk begins anew after each.
    for (let entry = this.#slots[slot]; entry !== undefined; ) {
      if (entry.deadline > now) {
        entry = entry.next;
        continue;
      }
      this.clear(entry);
      expire(entry);
      entry = this.#slots[slot];
    }
  }

  /** The next deadline within one turn of the wheel, else the end of that turn. */
  #findSoonest(): number {
    for (let tick = this.#tick + 1; tick < this.#tick + slots; tick++) {
      for (let entry = this.#slots[tick % slots]; entry !== undefined; entry = entry.next) {
        if (entry.deadline <= tick * tickMs) return tick * tickMs;
      }
    }
    return (this.#tick + slots) * tickMs;
  }
}
