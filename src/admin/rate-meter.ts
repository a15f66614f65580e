/** Running totals by name: each a fixed list of numbers that only grow. */
export type Totals = ReadonlyMap<string, readonly number[]>;

interface Sample {
  readonly atMs: number;
  readonly totals: Totals;
}

/** Samples that a rate reaches back over. */
const window = 4;

/**
 * Rates from totals that are read now and then: the growth from the oldest sample in the window to the latest, per second.
 * What is not in the latest sample is forgotten; a total that has become smaller (its counter began anew) has no rate
 * until it grows again.
 */
export class RateMeter {
  #samples: readonly Sample[] = [];

  /** @param atMs of a clock that never goes back */
  sample(atMs: number, totals: Totals): void {
    this.#samples = [...this.#samples.slice(1 - window), { atMs, totals }];
  }

  /** Growth per second of each number that the name's totals have; zeros where nothing is known yet. */
  of(name: string, length: number): readonly number[] {
    const latest = this.#samples.at(-1);
    const oldest = this.#samples.find(({ totals }) => totals.has(name));
    const seconds = latest === undefined || oldest === undefined ? 0 : (latest.atMs - oldest.atMs) / 1000;
    const now = latest?.totals.get(name);
    const then = oldest?.totals.get(name);
    return Array.from({ length }, (_, index) => {
      const grown = (now?.[index] ?? 0) - (then?.[index] ?? 0);
      return seconds > 0 && now !== undefined ? Math.max(0, grown) / seconds : 0;
    });
  }
}
