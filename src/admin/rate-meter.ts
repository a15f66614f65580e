import type { Counts, Rates } from './status.ts';

/** Numbers that only grow. */
export type Total = Pick<Counts, 'connections' | 'bytesUp' | 'bytesDown'>;

interface Sample {
  readonly atMs: number;
  readonly totals: ReadonlyMap<string, Total>;
}

/** Samples that a rate reaches back over. */
const window = 4;

export const noRates: Rates = { connectionsPerS: 0, bytesUpPerS: 0, bytesDownPerS: 0 };

/**
 * Rates from totals that are read now and then: the growth from the oldest sample in the window to the latest, per second.
 * What is not in the latest sample is forgotten.
 */
export class RateMeter {
  #samples: readonly Sample[] = [];

  /** @param atMs of a clock that never goes back */
  sample(atMs: number, totals: ReadonlyMap<string, Total>): void {
    this.#samples = [...this.#samples.slice(1 - window), { atMs, totals }];
  }

  /** Growth per second; zeros where the name has been seen less than twice. */
  of(name: string): Rates {
    const latest = this.#samples.at(-1);
    const oldest = this.#samples.find(({ totals }) => totals.has(name));
    const now = latest?.totals.get(name);
    const then = oldest?.totals.get(name);
    if (now === undefined || then === undefined) return noRates;
    const seconds = ((latest?.atMs ?? 0) - (oldest?.atMs ?? 0)) / 1000;
    if (seconds <= 0) return noRates;
    const perS = (from: number, to: number) => Math.max(0, to - from) / seconds;
    return {
      connectionsPerS: perS(then.connections, now.connections),
      bytesUpPerS: perS(then.bytesUp, now.bytesUp),
      bytesDownPerS: perS(then.bytesDown, now.bytesDown),
    };
  }
}
