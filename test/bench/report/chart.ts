/** The figures as a bar chart: SVG by hand, readable on a light and on a dark page. */
import { type FigureName, type PathName, pathTitles, type Results } from '../figures.ts';
import { measured, ratio } from './ratios.ts';

const groups: readonly (readonly [FigureName, title: string])[] = [
  ['keepaliveRps', 'keep-alive requests/s'],
  ['connPerS', 'new connections/s'],
  ['gbps1', '1 stream'],
  ['gbps8', '8 streams'],
];
const bars: readonly PathName[] = ['haproxy', 'nginx', 'nuncio-proxy', 'nuncio-kernel'];

/** Pixels. */
const width = 760;
const height = 340;
const plot = { left: 44, top: 66, right: 748, bottom: 296 };
const bar = { width: 34, gap: 4 };
/** A ratio above 1 is noise, or a path that beats the wire: it gets some room. */
const leastTop = 1.1;

// A page of its own: a reader that knows no colour schemes, or a page with another scheme than the reader's, shows it as well.
const style = `
  .page { fill: #ffffff }
  text { font: 12px system-ui, sans-serif; fill: #24292f; stroke: #ffffff; stroke-width: 3px; paint-order: stroke }
  .small { font-size: 11px } .title { font-size: 14px; font-weight: 600 }
  .grid { stroke: #d0d7de } .direct { stroke: #24292f; stroke-dasharray: 4 3 }
  .haproxy { fill: #8c959f } .nginx { fill: #b6bec7 } .nuncio-proxy { fill: #2f81f7 } .nuncio-kernel { fill: #1a9e77 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 }
    text { fill: #e6edf3; stroke: #0d1117 }
    .grid { stroke: #30363d } .direct { stroke: #e6edf3 }
    .haproxy { fill: #848d97 } .nginx { fill: #5b636d } .nuncio-proxy { fill: #4493f8 } .nuncio-kernel { fill: #2dba8e }
  }`;

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

/** At most one decimal of a pixel. */
function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${px(x)}" y="${px(y)}"${attributes === '' ? '' : ` ${attributes}`}>${escaped(content)}</text>`;
}

/** Throughput of each path as a ratio to a connection without any proxy. */
export function chart(results: Results): string {
  const direct = measured(results, 'direct');
  const ratioOf = (path: PathName, figure: FigureName) =>
    ratio(measured(results, path)?.[figure], direct?.[figure]);
  const all = groups.flatMap(([figure]) => bars.map((path) => ratioOf(path, figure) ?? 0));
  const top = Math.max(leastTop, ...all.map((value) => value * 1.08));
  const y = (value: number) => plot.bottom - (value / top) * (plot.bottom - plot.top);

  const lines: string[] = [];
  for (const value of [0, 0.25, 0.5, 0.75, 1]) {
    const kind = value === 1 ? 'direct' : 'grid';
    lines.push(
      `<line class="${kind}" x1="${plot.left}" x2="${plot.right}" y1="${px(y(value))}" y2="${px(y(value))}"/>`,
      text(plot.left - 8, y(value) + 4, String(value), 'class="small" text-anchor="end"'),
    );
  }
  const shapes: string[] = [];
  const groupWidth = (plot.right - plot.left) / groups.length;
  for (const [index, [figure, title]] of groups.entries()) {
    const middle = plot.left + groupWidth * (index + 0.5);
    shapes.push(text(middle, plot.bottom + 20, title, 'text-anchor="middle"'));
    const first = middle - (bars.length * bar.width + (bars.length - 1) * bar.gap) / 2;
    for (const [position, path] of bars.entries()) {
      const x = first + position * (bar.width + bar.gap);
      const value = ratioOf(path, figure);
      const label = value === undefined ? 'none' : value.toFixed(2);
      const at = y(value ?? 0);
      const name = `${pathTitles[path]}, ${title}: ${value === undefined ? 'not measured' : label}`;
      shapes.push(
        `<rect class="${path}" x="${px(x)}" y="${px(at)}" width="${bar.width}" height="${px(plot.bottom - at)}" rx="2"><title>${escaped(name)}</title></rect>`,
        text(x + bar.width / 2, at - 5, label, 'class="small" text-anchor="middle"'),
      );
    }
  }
  const legend = bars.map((path, index) => {
    const x = plot.left + index * 150;
    return `<rect class="${path}" x="${x}" y="36" width="12" height="12" rx="2"/>${text(x + 18, 46, pathTitles[path])}`;
  });
  const title = 'Throughput as a ratio to a connection without a proxy (dashed line); longer is better';
  const footer = `${results.date.slice(0, 10)}, ${results.machine}${results.mode === 'quick' ? ', quick run' : ''}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}">
<style>${style}
</style>
<rect class="page" width="${width}" height="${height}" rx="6"/>
${text(plot.left, 20, title, 'class="title"')}
${legend.join('\n')}
${lines.join('\n')}
${shapes.join('\n')}
${text(plot.right, height - 6, footer, 'class="small" text-anchor="end"')}
</svg>
`;
}
