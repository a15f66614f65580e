import { type Endpoint, endpointKey } from '../core/endpoint.ts';

/** An endpoint as an operator wants to see it. */
export interface EndpointRow {
  readonly endpoint: Endpoint;
  /** `accepts in 0.4 ms`, or the code of the error. */
  readonly health: string;
  /** How long it has been known, ms. */
  readonly ageMs: number;
}

/** `4s`, `12m`, `3h`, `5d`: the largest unit that has at least two of it. */
export function formatAge(ms: number): string {
  const units = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
  ] as const;
  const [unit, size] = units.find(([, length]) => ms >= 2 * length) ?? ['s', 1000];
  return `${Math.floor(ms / size)}${unit}`;
}

/** The table of `nuncio resolve`, without a line's trailing spaces. */
export function endpointTable(rows: readonly EndpointRow[]): string {
  const header = ['ENDPOINT', 'NAME', 'PRIORITY', 'WEIGHT', 'TAGS', 'HEALTH', 'AGE'];
  const cells = rows.map(({ endpoint, health, ageMs }) => [
    endpointKey(endpoint),
    endpoint.name,
    String(endpoint.priority),
    String(endpoint.weight),
    endpoint.tags.join(',') || '-',
    health,
    formatAge(ageMs),
  ]);
  const lines = [header, ...cells];
  const widths = header.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** What has become of a set, an endpoint a line: `+` is new, `-` has gone, `~` is not as it was. */
export function endpointChanges(before: readonly Endpoint[], now: readonly Endpoint[]): string[] {
  const then = new Map(before.map((endpoint) => [endpointKey(endpoint), endpoint]));
  const here = new Set(now.map(endpointKey));
  const describe = ({ name, priority, weight, tags }: Endpoint) =>
    `${name}, priority ${priority}, weight ${weight}${tags.length === 0 ? '' : `, tags ${tags.join(',')}`}`;
  const gone = before.filter((endpoint) => !here.has(endpointKey(endpoint)));
  return [
    ...gone.map((endpoint) => `- ${endpointKey(endpoint)}  ${describe(endpoint)}`),
    ...now.flatMap((endpoint) => {
      const old = then.get(endpointKey(endpoint));
      if (old !== undefined && describe(old) === describe(endpoint)) return [];
      return [`${old === undefined ? '+' : '~'} ${endpointKey(endpoint)}  ${describe(endpoint)}`];
    }),
  ];
}

/** A descriptor with a mark under the column of its fault. */
export function pointAt(text: string, column: number): string {
  return `  ${text}\n  ${' '.repeat(Math.max(0, column - 1))}^`;
}
