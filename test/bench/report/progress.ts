import { figureKinds, type Run } from '../figures.ts';
import { formatted } from './table.ts';

/** One run in one line. */
export function progressLine(run: Run, rounds: number): string {
  const figures = figureKinds
    .filter(({ name }) => run[name] !== undefined)
    .map(({ name, title, digits }) => `${title} ${formatted(run[name], digits)}`);
  if (run.errors !== undefined && run.errors > 0) figures.push(`failed ${run.errors}`);
  const what = run.routes === undefined ? run.part : `${run.part} ${run.routes}`;
  return `round ${run.round}/${rounds}  ${run.path.padEnd(13)} ${what.padEnd(12)} ${figures.join(', ')}`;
}
