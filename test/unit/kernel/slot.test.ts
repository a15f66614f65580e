import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { endpoint } from '../../../src/core/endpoint.ts';
import { maxEndpoints, maxTurns, slot, slotEndpoint } from '../../../src/kernel/layout.ts';
import { encodeAddress, encodeRouteKey, encodeSlot, readConnects } from '../../../src/kernel/slot.ts';
import { SlotPool } from '../../../src/kernel/slot-pool.ts';
import { wheelOf } from '../../../src/kernel/wheel.ts';

const weighted = (...weights: readonly number[]) =>
  weights.map((weight, index) => endpoint(`10.0.0.${index + 1}`, 80, { weight }));

/** A wheel turned until it begins as the expected one does, which every round may. */
function rotated(wheel: readonly number[], expected: readonly number[]): readonly number[] {
  const rotations = wheel.map((_, by) => [...wheel.slice(by), ...wheel.slice(0, by)]);
  return rotations.find((candidate) => candidate.join() === expected.join()) ?? wheel;
}

describe('wheelOf', () => {
  it("is one round of the proxy's own order", () => {
    for (const [weights, expected] of [
      [
        [1, 1, 1],
        [0, 1, 2],
      ],
      [
        [5, 1, 1],
        [0, 0, 1, 0, 2, 0, 0],
      ],
      [
        [50, 10, 10],
        [0, 0, 1, 0, 2, 0, 0],
      ],
    ] as const) {
      assert.deepEqual(rotated(wheelOf(weighted(...weights)), expected), expected);
    }
  });

  it('gives weight 0 no turn, unless there is nothing else', () => {
    assert.deepEqual(wheelOf(weighted(0, 2)), [1]);
    assert.deepEqual([...wheelOf(weighted(0, 0))].sort(), [0, 1]);
  });

  it('gives everyone with a weight a turn, and everyone his share as nearly as it can', () => {
    const weights = fc.array(fc.integer({ min: 0, max: 65_535 }), { minLength: 1, maxLength: maxEndpoints });
    fc.assert(
      fc.property(weights, (list) => {
        const wheel = wheelOf(weighted(...list));
        assert.ok(wheel.length >= 1 && wheel.length <= maxTurns);
        const sum = list.reduce((total, weight) => total + weight, 0);
        for (const [index, weight] of list.entries()) {
          const turns = wheel.filter((place) => place === index).length;
          if (sum === 0) assert.equal(turns, 1);
          else if (weight === 0) assert.equal(turns, 0);
          else {
            assert.ok(turns >= 1);
            const share = (weight / sum) * wheel.length;
            // Those that would have got nothing have their turns at the expense of the others.
            assert.ok(
              turns <= share + 1 && turns >= Math.min(share, share - maxEndpoints),
              `${turns} of ${share}`,
            );
          }
        }
      }),
    );
  });
});

describe('encodeSlot', () => {
  const id = { cookie: 0x1122334455667788n, port: 0x18eb };
  const v4 = [endpoint('10.0.0.1', 80), endpoint('10.0.0.2', 81)];
  const v6 = [endpoint('fd00::5', 82)];
  const bytes = encodeSlot(id, { turns: 'in-turn', endpoints: { 4: v4, 6: v6 } });

  it('says whose it is', () => {
    assert.equal(bytes.length, slot.size);
    assert.equal(bytes.toString('hex', 0, 16), '887766554433221118eb000000000000');
    assert.equal(encodeRouteKey(id).toString('hex'), '887766554433221118eb000000000000');
  });

  it('has the endpoints of both families in one list, and a wheel for each', () => {
    assert.equal(bytes.readUInt32LE(slot.turns[4]), 2);
    assert.equal(bytes.readUInt32LE(slot.turns[6]), 1);
    assert.deepEqual([...bytes.subarray(slot.wheel[4], slot.wheel[4] + 2)].sort(), [0, 1]);
    assert.equal(bytes[slot.wheel[6]], 2);
    const written = [0, 1, 2].map((index) => {
      const at = slot.endpoints + index * slotEndpoint.size;
      return bytes.toString('hex', at, at + 20);
    });
    assert.deepEqual(written, [
      '00000000000000000000ffff0a00000100500000',
      '00000000000000000000ffff0a00000200510000',
      'fd00000000000000000000000000000500520000',
    ]);
    assert.deepEqual(readConnects(bytes, 3), [0, 0, 0]);
  });

  it('marks what is drawn by lot, and leaves a family without endpoints without a turn', () => {
    const lots = encodeSlot(id, { turns: 'by-lot', endpoints: { 4: [], 6: v6 } });
    assert.equal(lots.readUInt32LE(slot.isRandom), 1);
    assert.deepEqual([lots.readUInt32LE(slot.turns[4]), lots.readUInt32LE(slot.turns[6])], [0, 1]);
    assert.equal(lots[slot.wheel[6]], 0);
  });

  it('writes addresses as the programs compare them', () => {
    assert.equal(encodeAddress('127.0.0.1').toString('hex'), '00000000000000000000ffff7f000001');
    assert.equal(encodeAddress('::1').toString('hex'), '00000000000000000000000000000001');
  });
});

describe('SlotPool', () => {
  it('lets a slot rest before it is used again', () => {
    let now = 0;
    const pool = new SlotPool(3, 1000, () => now);
    assert.deepEqual([pool.take(), pool.take(), pool.take(), pool.take()], [0, 1, 2, undefined]);
    pool.release(1);
    now = 999;
    pool.release(0);
    assert.equal(pool.take(), undefined);
    now = 1000;
    assert.equal(pool.take(), 1);
    assert.equal(pool.take(), undefined);
    now = 1999;
    assert.equal(pool.take(), 0);
  });
});
