/** What is measured, on which paths, and what it has to come to: the one place that table, chart and file read. */

/** nuncio-proxy: connections are steered to it where the kernel can; nuncio-nat: the same proxy behind nat rules. */
export const pathNames = [
  'direct',
  'haproxy',
  'nginx',
  'nuncio-proxy',
  'nuncio-nat',
  'nuncio-kernel',
] as const;
export type PathName = (typeof pathNames)[number];

export const pathTitles: Readonly<Record<PathName, string>> = {
  direct: 'direct',
  haproxy: 'HAProxy',
  nginx: 'nginx stream',
  'nuncio-proxy': 'Nuncio proxy',
  'nuncio-nat': 'the same behind nat',
  'nuncio-kernel': 'Nuncio kernel',
};

/** Parts of the benchmark, for `--only`. */
export const partNames = ['requests', 'connections', 'streams', 'memory', 'start', 'routes'] as const;
export type PartName = (typeof partNames)[number];

export const figureNames = [
  'keepaliveRps',
  'p50us',
  'p99us',
  'connPerS',
  'gbps1',
  'gbps8',
  'cpuSecondsPerGb',
  'cpuSecondsPer10kConnections',
  'rssIdleMb',
  'pssIdleMb',
  'kbPerIdleConnection',
  'startMs',
] as const;
export type FigureName = (typeof figureNames)[number];
export type Figures = Partial<Record<FigureName, number>>;

export interface FigureKind {
  readonly name: FigureName;
  readonly title: string;
  readonly digits: number;
  readonly better: 'higher' | 'lower';
  /** What Nuncio's proxy has to reach: a ratio to the better of HAProxy and nginx, or a figure. */
  readonly proxyTarget?: Target;
  /** What the kernel path has to reach: a ratio to direct. */
  readonly kernelTarget?: Target;
}

/** `least`/`most`: a ratio; `below`: the figure itself. */
export type Target = { readonly least: number } | { readonly most: number } | { readonly below: number };

const asDirect: Target = { least: 0.97 };

export const figureKinds: readonly FigureKind[] = [
  {
    name: 'keepaliveRps',
    title: 'keep-alive requests/s',
    digits: 0,
    better: 'higher',
    proxyTarget: { least: 1 },
    kernelTarget: asDirect,
  },
  { name: 'p50us', title: 'p50, µs', digits: 0, better: 'lower' },
  { name: 'p99us', title: 'p99, µs', digits: 0, better: 'lower', proxyTarget: { most: 1 } },
  {
    name: 'connPerS',
    title: 'new connections/s',
    digits: 0,
    better: 'higher',
    proxyTarget: { least: 1 },
    kernelTarget: asDirect,
  },
  {
    name: 'gbps1',
    title: '1 stream, Gbit/s',
    digits: 1,
    better: 'higher',
    proxyTarget: { least: 1.8 },
    kernelTarget: asDirect,
  },
  {
    name: 'gbps8',
    title: '8 streams, Gbit/s',
    digits: 1,
    better: 'higher',
    proxyTarget: { least: 2.3 },
    kernelTarget: asDirect,
  },
  { name: 'cpuSecondsPerGb', title: 'CPU s per GB', digits: 3, better: 'lower' },
  { name: 'cpuSecondsPer10kConnections', title: 'CPU s per 10,000 connections', digits: 2, better: 'lower' },
  {
    name: 'rssIdleMb',
    title: 'resident idle, MB',
    digits: 1,
    better: 'lower',
    proxyTarget: { below: 90 },
  },
  { name: 'pssIdleMb', title: 'the same, shared pages in part (PSS), MB', digits: 1, better: 'lower' },
  {
    name: 'kbPerIdleConnection',
    title: 'kB per idle connection',
    digits: 1,
    better: 'lower',
    proxyTarget: { below: 4 },
  },
  { name: 'startMs', title: 'start to first request, ms', digits: 0, better: 'lower' },
];

/** One part on one path in one round, as it was measured. */
export interface Run extends Figures {
  readonly path: PathName;
  readonly round: number;
  readonly part: PartName;
  /** Routes in the table, where the run is about that. */
  readonly routes?: number;
  /** Requests or connections that failed, as the load generator counts them. */
  readonly errors?: number;
  /** Resident memory with 0, 1,000, 2,000 … idle connections, MB. */
  readonly rssMbByThousand?: readonly number[];
}

export type Spread = Partial<Record<FigureName, readonly [least: number, most: number]>>;

export interface MeasuredPath extends Figures {
  readonly spread: Spread;
  /** Figures by the number of routes in the table. */
  readonly routes?: Readonly<Record<string, Figures>>;
}

export interface MissingPath {
  readonly missing: string;
}

export interface Results {
  readonly date: string;
  readonly machine: string;
  readonly versions: Readonly<Record<string, string>>;
  /** `quick`: short rounds, only good to see that everything works. */
  readonly mode: 'full' | 'quick';
  readonly rounds: number;
  /** Length of each measurement, s. */
  readonly seconds: number;
  /** Arguments that Nuncio was given beside its own. */
  readonly nuncioArguments?: string;
  readonly paths: Partial<Record<PathName, MeasuredPath | MissingPath>>;
  readonly runs: readonly Run[];
}
