import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Run } from '../../bench/figures.ts';
import { median, summarise } from '../../bench/report/summary.ts';

describe('median', () => {
  it('is the middle, or the mean of the middle two', () => {
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([10, 1, 2, 4]), 3);
    assert.equal(median([7]), 7);
    assert.equal(median([]), undefined);
  });

  it('has as many values above as below, and changes nothing', () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { minLength: 1 }), (values) => {
        const before = [...values];
        const middle = median(values) ?? Number.NaN;
        const above = values.filter((value) => value > middle).length;
        const below = values.filter((value) => value < middle).length;
        assert.ok(above <= values.length / 2 && below <= values.length / 2);
        assert.deepEqual(values, before);
      }),
    );
  });
});

describe('summarise', () => {
  const run = (round: number, more: Partial<Run>): Run => ({
    path: 'haproxy',
    round,
    part: 'requests',
    ...more,
  });

  it('takes medians and spread over the rounds, of each figure by itself', () => {
    const runs = [
      run(1, { keepaliveRps: 100 }),
      run(2, { keepaliveRps: 300 }),
      run(3, { keepaliveRps: 200 }),
      run(1, { part: 'start', startMs: 5 }),
    ];
    assert.deepEqual(summarise(runs, new Map()), {
      haproxy: { keepaliveRps: 200, startMs: 5, spread: { keepaliveRps: [100, 300], startMs: [5, 5] } },
    });
  });

  it('keeps the runs about routes apart', () => {
    const runs = [
      run(1, { path: 'nuncio-proxy', keepaliveRps: 100 }),
      run(1, { path: 'nuncio-proxy', part: 'routes', routes: 10, keepaliveRps: 90 }),
      run(1, { path: 'nuncio-proxy', part: 'routes', routes: 10_000, keepaliveRps: 80 }),
    ];
    assert.deepEqual(summarise(runs, new Map())['nuncio-proxy'], {
      keepaliveRps: 100,
      spread: { keepaliveRps: [100, 100] },
      routes: { 10: { keepaliveRps: 90 }, 10000: { keepaliveRps: 80 } },
    });
  });

  it('names what is missing, and leaves out what nobody asked for', () => {
    const paths = summarise([], new Map([['nginx', 'it is not installed'] as const]));
    assert.deepEqual(paths, { nginx: { missing: 'it is not installed' } });
  });
});
