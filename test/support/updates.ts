import { setImmediate, setTimeout } from 'node:timers/promises';
import { type Endpoint, endpointKey } from '../../src/core/endpoint.ts';
import type { Result } from '../../src/core/result.ts';

type Update = Result<readonly Endpoint[]>;

/** What an `onUpdate` has been told, to be read one by one. */
export class Updates {
  readonly #unread: Update[] = [];
  #waiting: ((update: Update) => void) | undefined;
  /** How many have come, read or not. */
  count = 0;

  readonly onUpdate = (update: Update): void => {
    this.count++;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting) waiting(update);
    else this.#unread.push(update);
  };

  next(): Promise<Update> {
    const first = this.#unread.shift();
    if (first !== undefined) return Promise.resolve(first);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  /** The next update as text: `10.0.0.1:80 10.0.0.2:80`, `nothing`, or the error's code. */
  async text(): Promise<string> {
    const update = await this.next();
    return update.ok ? update.value.map(endpointKey).join(' ') || 'nothing' : update.error.code;
  }

  get unread(): number {
    return this.#unread.length;
  }
}

/** Lets everything that is ready happen: microtasks, and sockets on loopback. Bounded, and no substitute for an event. */
export async function settle(turns = 20): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await setImmediate();
}

/** How long a fact may take, ms: far more than it needs, on a machine that has other work too. */
const untilMs = 20_000;

/** Waits for a fact that no event tells, bounded in time: other threads and the kernel do not count turns of our loop. */
export async function until(
  fact: () => boolean | Promise<boolean>,
  what: string | (() => string),
): Promise<void> {
  const deadline = performance.now() + untilMs;
  for (let turn = 0; performance.now() < deadline; turn++) {
    if (await fact()) return;
    await (turn < 100 ? setImmediate() : setTimeout(1));
  }
  throw new Error(`did not come true: ${typeof what === 'string' ? what : what()}`);
}
