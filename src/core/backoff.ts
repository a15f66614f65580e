import { setTimeout as delay } from 'node:timers/promises';

export interface BackoffOptions {
  /** First delay, ms. */
  readonly initialMs: number;
  /** Longest delay before jitter, ms. */
  readonly maxMs: number;
  /** Growth from one delay to the next. */
  readonly factor?: number;
  /** Largest deviation, as a part of the delay: 0.2 is up to 20 % more or less. */
  readonly jitter?: number;
  /** 0 <= random() < 1 */
  readonly random?: () => number;
}

/**
 * Growing delays between attempts, with jitter so that many ambassadors do not come back to a registry at once.
 * The default growth is that of gRPC's connection backoff (doc/connection-backoff.md: factor 1.6, jitter 0.2).
 */
export class Backoff {
  readonly #options: Required<BackoffOptions>;
  #nextMs: number;

  constructor(options: BackoffOptions) {
    this.#options = { factor: 1.6, jitter: 0.2, random: Math.random, ...options };
    this.#nextMs = options.initialMs;
  }

  /** The delay to wait now, ms; the next one will be longer. */
  next(): number {
    const { factor, jitter, maxMs, random } = this.#options;
    const base = this.#nextMs;
    this.#nextMs = Math.min(maxMs, base * factor);
    return Math.round(base * (1 + jitter * (2 * random() - 1)));
  }

  /** Back to the first delay: call it after a success. */
  reset(): void {
    this.#nextMs = this.#options.initialMs;
  }
}

/** Waits `ms`, or less where the signal aborts first. Never throws; look at `signal.aborted` afterwards. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal });
  } catch {
    // Only an abort ends a delay early, and the caller reads that from the signal.
  }
}
