import { type Html, html } from './html.ts';

const width = 120;
const height = 28;

/**
 * A small line of values over time, the latest at the right; the highest reaches the top. It stands beside the number that it
 * is the history of, so it is hidden from screen readers.
 *
 * @param slots how many values the whole width stands for
 */
export function sparkline(values: readonly number[], slots: number): Html {
  const highest = Math.max(...values, Number.MIN_VALUE);
  const points = values.map((value, index) => {
    const x = width - ((values.length - 1 - index) * width) / (slots - 1);
    const y = height - 1 - (value / highest) * (height - 2);
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  return html`<svg class="spark" viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" aria-hidden="true"><polyline points="${points.join(' ')}"/></svg>`;
}
