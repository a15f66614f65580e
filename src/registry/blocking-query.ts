/**
 * The loop of Consul's blocking queries: asks again and again for what is newer than the index of the last answer.
 *
 *     await followIndex({
 *       ask: (query, signal) => client.tree('services/web', query, signal),
 *       onValue: (pairs) => use(pairs),
 *       onFailure: (error) => logger.warn(error.message),
 *     }, signal);
 *
 * Source: Consul documentation, HTTP API, Blocking Queries: "Implementation Details".
 */
import { Backoff, sleep } from '../core/backoff.ts';
import { AppError, messageOf } from '../core/errors.ts';

/** One question: for anything newer than `index`, or for what there is now. */
export interface BlockingQuery {
  /** Of the last answer; 0 = answer at once. */
  readonly index: number;
  /** How long the server may hold the question open while there is nothing newer, ms; it adds up to a sixteenth. */
  readonly waitMs: number;
  /** The bound on connecting and the whole answer, ms. */
  readonly timeoutMs: number;
}

/** An answer with the index that it was true at. */
export interface Indexed<T> {
  /** X-Consul-Index as it came */
  readonly index: number;
  readonly value: T;
}

export interface BlockingTimes {
  /**
   * How long a question is held open, ms. Shorter than Consul's own 5 min because an agent that hangs is noticed only
   * when its answer is overdue; a peer whose packets are lost is noticed sooner, by TCP keepalive.
   */
  readonly waitMs: number;
  /** What an answer may take on top of the time that it is held open, ms. */
  readonly marginMs: number;
  /** What an answer may take that nothing holds open, connecting included, ms. */
  readonly answerMs: number;
  /** Least time from one question to the next, ms, however quickly the index rises. */
  readonly floorMs: number;
  /** Up to this much is added to `floorMs`, so that many watches do not ask in step, ms. */
  readonly ditherMs: number;
}

export const defaultTimes: BlockingTimes = {
  waitMs: 60_000,
  marginMs: 5_000,
  answerMs: 10_000,
  floorMs: 100,
  ditherMs: 20,
};

export interface Following<T> {
  /** @throws AppError where there is no answer, or none that makes sense */
  ask(query: BlockingQuery, signal: AbortSignal): Promise<Indexed<T>>;
  /** Told the first answer, each one whose index has changed, and the first after a failure; not after abort. */
  onValue(value: T): void;
  /** Told each failure; not after abort. */
  onFailure(error: AppError): void;
  readonly times?: Partial<BlockingTimes>;
  readonly backoff?: Pick<Backoff, 'next' | 'reset'>;
  /** Waits; ends early on abort. Never rejects. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
  /** A clock that never goes back, ms. */
  readonly now?: () => number;
  /** 0 <= random() < 1 */
  readonly random?: () => number;
}

/**
 * Follows until the signal aborts; never rejects. Failures are repeated with growing delays of 200 ms to 30 s, and
 * begin anew at index 0: a server that was restored from an older state would otherwise keep silent until its index
 * has caught up.
 */
export async function followIndex<T>(following: Following<T>, signal: AbortSignal): Promise<void> {
  const times = { ...defaultTimes, ...following.times };
  const wait = following.sleep ?? sleep;
  const now = following.now ?? (() => performance.now());
  const random = following.random ?? Math.random;
  const backoff = following.backoff ?? new Backoff({ initialMs: 200, maxMs: 30_000, random });
  let index = 0;
  while (!signal.aborted) {
    const startedMs = now();
    let pauseMs: number;
    try {
      const answer = await following.ask(queryFrom(index, times), signal);
      if (signal.aborted) return;
      if (index === 0 || answer.index !== index) following.onValue(answer.value);
      index = nextIndex(index, answer.index);
      backoff.reset();
      pauseMs = startedMs + times.floorMs + random() * times.ditherMs - now();
    } catch (thrown) {
      if (signal.aborted) return;
      index = 0;
      following.onFailure(failure(thrown));
      pauseMs = backoff.next();
    }
    if (pauseMs > 0) await wait(pauseMs, signal);
  }
}

function queryFrom(index: number, times: BlockingTimes): BlockingQuery {
  const { waitMs, marginMs, answerMs } = times;
  // The server spreads the ends of many waits by up to a sixteenth.
  return { index, waitMs, timeoutMs: index === 0 ? answerMs : waitMs + waitMs / 16 + marginMs };
}

/** "Reset the index if it goes backwards"; "sanity check index is greater than zero", as 0 would not block. */
function nextIndex(last: number, answered: number): number {
  return answered < last ? 0 : Math.max(1, answered);
}

function failure(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown;
  return new AppError('ERR_RESOLVE_FAILED', `a blocking query failed: ${messageOf(thrown)}`, {
    cause: thrown,
  });
}
