/** From the raw runs to medians and their spread. */
import {
  type FigureName,
  type Figures,
  figureNames,
  type MeasuredPath,
  type MissingPath,
  type PathName,
  pathNames,
  type Run,
  type Spread,
} from '../figures.ts';

/** @returns the mean of the middle two where there is no middle one; undefined of nothing */
export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  return upper === undefined || lower === undefined ? undefined : (upper + lower) / 2;
}

/** Four significant digits: more is noise. */
export function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

function valuesOf(runs: readonly Run[], name: FigureName): readonly number[] {
  return runs.map((run) => run[name]).filter((value) => value !== undefined);
}

function medians(runs: readonly Run[]): Figures {
  const figures: Figures = {};
  for (const name of figureNames) {
    const value = median(valuesOf(runs, name));
    if (value !== undefined) figures[name] = rounded(value);
  }
  return figures;
}

function spreads(runs: readonly Run[]): Spread {
  const spread: Spread = {};
  for (const name of figureNames) {
    const values = valuesOf(runs, name);
    if (values.length > 0) spread[name] = [rounded(Math.min(...values)), rounded(Math.max(...values))];
  }
  return spread;
}

function summaryOf(runs: readonly Run[]): MeasuredPath {
  const usual = runs.filter((run) => run.routes === undefined);
  const counts = [...new Set(runs.map((run) => run.routes).filter((count) => count !== undefined))];
  const routes = counts.map(
    (count) => [String(count), medians(runs.filter((run) => run.routes === count))] as const,
  );
  return {
    ...medians(usual),
    spread: spreads(usual),
    ...(routes.length === 0 ? {} : { routes: Object.fromEntries(routes) }),
  };
}

/** Every path that was asked for: its figures, or why there are none. */
export function summarise(
  runs: readonly Run[],
  missing: ReadonlyMap<PathName, string>,
): Partial<Record<PathName, MeasuredPath | MissingPath>> {
  const paths: Partial<Record<PathName, MeasuredPath | MissingPath>> = {};
  for (const name of pathNames) {
    const reason = missing.get(name);
    const own = runs.filter((run) => run.path === name);
    if (reason !== undefined) paths[name] = { missing: reason };
    else if (own.length > 0) paths[name] = summaryOf(own);
  }
  return paths;
}
