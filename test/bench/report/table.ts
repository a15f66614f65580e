/** Tables: as Markdown, which is also readable on a terminal. */
import {
  type FigureKind,
  type FigureName,
  figureKinds,
  figureNames,
  type PathName,
  pathNames,
  pathTitles,
  type Results,
  type Target,
} from '../figures.ts';
import { bestPeer, measured, missingPaths, ratio, type Verdict, verdicts } from './ratios.ts';

const nothing = '-';

/** Columns of equal width, so that the source reads as the page does. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(3, ...rows.map((row) => [...(row[column] ?? '')].length)),
  );
  const pad = (text: string, column: number) => {
    const space = ' '.repeat((widths[column] ?? 0) - [...text].length);
    return column === 0 ? text + space : space + text;
  };
  const rule = widths.map((width, column) =>
    column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  const [head = [], ...body] = rows.map((row) => row.map(pad));
  return [head, rule, ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

export function formatted(value: number | undefined, digits: number): string {
  return value === undefined
    ? nothing
    : value.toLocaleString('en-GB', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function targetText(target: Target): string {
  if ('least' in target) return `≥ ${target.least}`;
  return 'most' in target ? `≤ ${target.most}` : `< ${target.below}`;
}

function shownPaths(results: Results): readonly PathName[] {
  return pathNames.filter((name) => results.paths[name] !== undefined);
}

/** Figures that at least one path has. */
function shownKinds(results: Results): readonly FigureKind[] {
  return figureKinds.filter((kind) =>
    pathNames.some((name) => measured(results, name)?.[kind.name] !== undefined),
  );
}

/** Half of the way from the least to the most, in percent of the median. */
function spreadText([least, most]: readonly [number, number], median: number): string {
  return median === 0 ? '' : `±${formatted(((most - least) / 2 / median) * 100, 0)} %`;
}

/** Figures on every path. */
export function figuresTable(
  results: Results,
  {
    withSpread,
    names = figureNames,
  }: { readonly withSpread: boolean; readonly names?: readonly FigureName[] },
): string {
  const paths = shownPaths(results);
  const kinds = shownKinds(results).filter(({ name }) => names.includes(name));
  const rows = kinds.map((kind) => [
    kind.title,
    ...paths.map((name) => {
      const value = formatted(measured(results, name)?.[kind.name], kind.digits);
      const path = results.paths[name];
      const spread = path === undefined || 'missing' in path ? undefined : path.spread[kind.name];
      if (!withSpread || spread === undefined || value === nothing) return value;
      return `${value} ${spreadText(spread, measured(results, name)?.[kind.name] ?? Number.NaN)}`.trimEnd();
    }),
  ]);
  return table([['', ...paths.map((name) => pathTitles[name])], ...rows]);
}

/** Ratios to the better of the peers, and to direct; empty where there is nothing to compare. */
export function ratiosTable(results: Results): string {
  const rows = shownKinds(results).flatMap((kind) => {
    const of = (name: PathName) => measured(results, name)?.[kind.name];
    const peer = bestPeer(results, kind);
    const ratios = [
      ratio(of('nuncio-proxy'), peer),
      ratio(of('nuncio-proxy'), of('direct')),
      ratio(of('nuncio-nat'), peer),
      ratio(of('nuncio-kernel'), peer),
      ratio(of('nuncio-kernel'), of('direct')),
    ];
    if (ratios.every((value) => value === undefined)) return [];
    return [[kind.title, ...ratios.map((value) => formatted(value, 2))]];
  });
  const head = [
    'ratio',
    'proxy : better peer',
    'proxy : direct',
    'behind nat : better peer',
    'kernel : better peer',
    'kernel : direct',
  ];
  return rows.length === 0 ? '' : table([head, ...rows]);
}

function isRatio({ target }: Verdict): boolean {
  return !('below' in target);
}

/** What was aimed at; empty where none of it was measured. */
export function targetsTable(results: Results): string {
  const rows = verdicts(results).map((verdict) => {
    const { kind, path, value, target } = verdict;
    const base = path === 'nuncio-proxy' ? 'the better peer' : 'direct';
    const what = isRatio(verdict) ? `${kind.title}, to ${base}` : kind.title;
    // Three, because 0.998 is not 1.00.
    const digits = isRatio(verdict) ? 3 : kind.digits;
    return [
      `${pathTitles[path]}: ${what}`,
      formatted(value, digits),
      targetText(target),
      verdict.isMet ? 'met' : 'missed',
    ];
  });
  return rows.length === 0 ? '' : table([['target', 'measured', 'aimed at', ''], ...rows]);
}

/** Effect of the number of routes; empty where it was not measured. */
export function routesTable(results: Results): string {
  const kinds = figureKinds.filter(({ name }) =>
    ['keepaliveRps', 'connPerS', 'rssIdleMb', 'startMs'].includes(name),
  );
  const rows = shownPaths(results).flatMap((name) => {
    const path = results.paths[name];
    const routes = path === undefined || 'missing' in path ? {} : (path.routes ?? {});
    return Object.entries(routes).map(([count, figures]) => [
      `${pathTitles[name]}, ${formatted(Number(count), 0)} routes`,
      ...kinds.map((kind) => formatted(figures[kind.name], kind.digits)),
    ]);
  });
  return rows.length === 0 ? '' : table([['', ...kinds.map(({ title }) => title)], ...rows]);
}

/** When, where, and with what; and which paths are not there. */
export function provenance(results: Results): string {
  const { date, machine, versions, mode, rounds, seconds, nuncioArguments, runs } = results;
  const kind =
    mode === 'quick' ? 'a quick run, only good to see that everything works' : 'medians of all rounds';
  const of = (name: string) => versions[name] ?? nothing;
  const parts = [
    `Measured ${date.slice(0, 10)} on ${machine}: ${kind}. Rounds: ${rounds}, each measurement ${seconds} s.`,
    `HAProxy ${of('haproxy')}, nginx ${of('nginx')}, Node ${of('node')}, wrk ${of('wrk')}, iperf3 ${of('iperf3')}.`,
  ];
  if (nuncioArguments !== undefined) parts.push(`Nuncio was given \`${nuncioArguments}\` as well.`);
  const errors = runs.reduce((sum, run) => sum + (run.errors ?? 0), 0);
  if (errors > 0) parts.push(`Requests that failed: ${errors}; the raw runs say where.`);
  for (const [name, reason] of missingPaths(results))
    parts.push(`${pathTitles[name]} is missing: ${reason}.`);
  return parts.join('\n');
}

/**
 * What is slower or larger than with the better peer, and how many targets are missed; empty where nothing was compared.
 *
 * @param names figures to speak of; the targets are counted all
 */
export function shortcomings(results: Results, names: readonly FigureName[] = figureNames): string {
  const compared = figureKinds.flatMap((kind) => {
    const value = ratio(measured(results, 'nuncio-proxy')?.[kind.name], bestPeer(results, kind));
    return value === undefined ? [] : [{ kind, value }];
  });
  const worse = compared.filter(
    ({ kind, value }) => names.includes(kind.name) && (kind.better === 'higher' ? value < 1 : value > 1),
  );
  const all = verdicts(results);
  const missed = all.filter((verdict) => !verdict.isMet).length;
  const lines: string[] = [];
  if (worse.length > 0) {
    const texts = worse.map(({ kind, value }) => `${kind.title} (${formatted(value, 2)} of it)`);
    lines.push(`Behind the better of HAProxy and nginx, the proxy: ${texts.join('; ')}.`);
  } else if (compared.length > 0) {
    lines.push('In none of these figures is the proxy behind the better of HAProxy and nginx.');
  }
  if (all.length > 0) {
    lines.push(
      missed === 0
        ? `Targets: all ${all.length} are met.`
        : `Targets: ${missed} of ${all.length} are missed.`,
    );
  }
  return lines.join('\n');
}

/** Everything there is to say, part by part. */
export function report(results: Results): readonly string[] {
  const parts = [
    figuresTable(results, { withSpread: true }),
    ratiosTable(results),
    targetsTable(results),
    routesTable(results),
    shortcomings(results),
    provenance(results),
  ];
  return parts.filter((part) => part !== '');
}
