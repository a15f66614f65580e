import type { MeasuredPath, MissingPath, PathName, Results } from '../../bench/figures.ts';

/** Results for tests of what is written about them. */
export function resultsOf(paths: Partial<Record<PathName, Partial<MeasuredPath> | MissingPath>>): Results {
  const whole = Object.entries(paths).map(([name, path]) => [
    name,
    'missing' in path ? path : { spread: {}, ...path },
  ]);
  return {
    date: '2026-01-02T03:04:05.000Z',
    machine: '2 x Test & <Co>, 4 GB, Linux 6.0',
    versions: { haproxy: '2.6.12', nginx: '1.22.1', node: '24.0.0', wrk: '4.1.0', iperf3: '3.12' },
    mode: 'full',
    rounds: 5,
    seconds: 4,
    paths: Object.fromEntries(whole),
    runs: [],
  };
}
