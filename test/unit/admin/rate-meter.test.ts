import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { noRates, RateMeter, type Total } from '../../../src/admin/rate-meter.ts';

const total = (connections: number, bytesUp = 0, bytesDown = 0): Total => ({
  connections,
  bytesUp,
  bytesDown,
});

describe('RateMeter', () => {
  it('knows nothing before the second sample', () => {
    const meter = new RateMeter();
    assert.deepEqual(meter.of('a'), noRates);
    meter.sample(0, new Map([['a', total(7)]]));
    assert.deepEqual(meter.of('a'), noRates);
  });

  it('tells the growth per second over its window', () => {
    const meter = new RateMeter();
    meter.sample(0, new Map([['a', total(1000, 0, 0)]]));
    meter.sample(2000, new Map([['a', total(1010, 400, 4000)]]));
    assert.deepEqual(meter.of('a'), { connectionsPerS: 5, bytesUpPerS: 200, bytesDownPerS: 2000 });
    for (let second = 4; second <= 40; second += 2)
      meter.sample(second * 1000, new Map([['a', total(1010)]]));
    assert.equal(meter.of('a').connectionsPerS, 0, 'what is long ago does not count');
  });

  it('does not take a new name for a burst, nor a smaller total for a rate', () => {
    const meter = new RateMeter();
    meter.sample(0, new Map());
    meter.sample(1000, new Map([['b', total(500)]]));
    assert.deepEqual(meter.of('b'), noRates);
    meter.sample(2000, new Map([['b', total(3)]]));
    assert.equal(meter.of('b').connectionsPerS, 0);
  });

  it('forgets who is gone', () => {
    const meter = new RateMeter();
    meter.sample(0, new Map([['a', total(0)]]));
    meter.sample(1000, new Map([['a', total(9)]]));
    meter.sample(2000, new Map());
    assert.deepEqual(meter.of('a'), noRates);
  });
});
