/** Figures against the peers and against no proxy at all, and whether they are what was aimed at. */
import {
  type FigureKind,
  type Figures,
  figureKinds,
  type PathName,
  pathNames,
  type Results,
  type Target,
} from '../figures.ts';

export interface Verdict {
  readonly kind: FigureKind;
  readonly path: 'nuncio-proxy' | 'nuncio-kernel';
  /** A ratio, or the figure itself where the target is one. */
  readonly value: number;
  readonly target: Target;
  readonly isMet: boolean;
}

/** @returns undefined where the path is missing, or was not asked for */
export function measured(results: Results, name: PathName): Figures | undefined {
  const path = results.paths[name];
  return path === undefined || 'missing' in path ? undefined : path;
}

/** The paths that were asked for and could not be measured, with the reasons. */
export function missingPaths(results: Results): readonly (readonly [PathName, string])[] {
  return pathNames.flatMap((name) => {
    const path = results.paths[name];
    return path !== undefined && 'missing' in path ? [[name, path.missing] as const] : [];
  });
}

/** The better of HAProxy and nginx stream. */
export function bestPeer(results: Results, kind: FigureKind): number | undefined {
  const values = (['haproxy', 'nginx'] as const)
    .map((name) => measured(results, name)?.[kind.name])
    .filter((value) => value !== undefined);
  if (values.length === 0) return undefined;
  return kind.better === 'higher' ? Math.max(...values) : Math.min(...values);
}

export function ratio(value: number | undefined, base: number | undefined): number | undefined {
  return value === undefined || base === undefined || base === 0 ? undefined : value / base;
}

export function isMet(value: number, target: Target): boolean {
  if ('least' in target) return value >= target.least;
  return 'most' in target ? value <= target.most : value < target.below;
}

/** What was aimed at and what it came to, as far as it could be measured. */
export function verdicts(results: Results): readonly Verdict[] {
  const found: Verdict[] = [];
  const add = (kind: FigureKind, path: Verdict['path'], target: Target, value: number | undefined) => {
    if (value !== undefined) found.push({ kind, path, value, target, isMet: isMet(value, target) });
  };
  for (const kind of figureKinds) {
    const proxy = measured(results, 'nuncio-proxy')?.[kind.name];
    const { proxyTarget, kernelTarget } = kind;
    if (proxyTarget !== undefined) {
      const value = 'below' in proxyTarget ? proxy : ratio(proxy, bestPeer(results, kind));
      add(kind, 'nuncio-proxy', proxyTarget, value);
    }
    if (kernelTarget !== undefined) {
      const kernel = measured(results, 'nuncio-kernel')?.[kind.name];
      add(kind, 'nuncio-kernel', kernelTarget, ratio(kernel, measured(results, 'direct')?.[kind.name]));
    }
  }
  return found;
}
