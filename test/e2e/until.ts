import { setTimeout as delay } from 'node:timers/promises';

export interface UntilOptions {
  /** ms */
  readonly withinMs?: number;
  /** Told where the time is over: what there was instead. */
  readonly otherwise?: () => Promise<string> | string;
}

/** Time between two looks, ms. */
const gapMs = 50;

/**
 * Looks again and again until there is an answer.
 *
 * @param what completes "waited … ms for …"
 * @param look undefined = not yet
 * @throws Error where there is none in time (15 s unless said otherwise)
 */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  { withinMs = 15_000, otherwise }: UntilOptions = {},
): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) {
      const instead = otherwise === undefined ? '' : `\n${await otherwise()}`;
      throw new Error(`waited ${withinMs} ms for ${what}${instead}`);
    }
    await delay(gapMs);
  }
}
