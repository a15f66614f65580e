import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { balancePolicies } from '../../../src/backend/backend.ts';
import { makePicker } from '../../../src/balance/policies.ts';
import { type Endpoint, endpoint } from '../../../src/core/endpoint.ts';

const idle = () => 0;
const none = new Set<Endpoint>();
const at = (n: number, rest: Partial<Endpoint> = {}) =>
  endpoint(`10.0.0.${n}`, 80, { name: `e${n}`, ...rest });

function picks(count: number, policy: (typeof balancePolicies)[number], set: readonly Endpoint[]) {
  const picker = makePicker(policy, set);
  return Array.from({ length: count }, () => picker.pick({ tried: none, active: idle })?.name);
}

const countOf = (names: readonly (string | undefined)[], name: string) =>
  names.filter((n) => n === name).length;

describe('every policy', () => {
  const set = fc.uniqueArray(
    fc.record({
      n: fc.integer({ min: 1, max: 250 }),
      weight: fc.integer({ min: 0, max: 5 }),
      priority: fc.integer({ min: 0, max: 2 }),
    }),
    { selector: ({ n }) => n, maxLength: 8 },
  );

  for (const policy of balancePolicies) {
    it(`${policy}: tries each endpoint once, the better priorities first, then has none left`, () => {
      fc.assert(
        fc.property(set, (members) => {
          const endpoints = members.map(({ n, weight, priority }) => at(n, { weight, priority }));
          const picker = makePicker(policy, endpoints);
          const tried = new Set<Endpoint>();
          const priorities: number[] = [];
          for (let i = 0; i < endpoints.length; i++) {
            const picked = picker.pick({ tried, active: idle });
            assert.ok(picked !== undefined && !tried.has(picked));
            tried.add(picked);
            priorities.push(picked.priority);
          }
          assert.equal(picker.pick({ tried, active: idle }), undefined);
          assert.deepEqual(priorities, priorities.toSorted());
        }),
      );
    });
  }
});

describe('roundrobin', () => {
  it('gives equal endpoints equal shares', () => {
    const names = picks(9, 'roundrobin', [at(1), at(2), at(3)]);
    for (const name of ['e1', 'e2', 'e3']) assert.equal(countOf(names, name), 3);
    assert.equal(new Set(names.slice(0, 3)).size, 3);
  });

  it('shares by weight, spread out', () => {
    const names = picks(70, 'roundrobin', [at(1, { weight: 5 }), at(2), at(3)]);
    assert.equal(countOf(names, 'e1'), 50);
    assert.ok(!names.join(' ').includes(Array(6).fill('e1').join(' ')));
  });

  it('leaves weight 0 to the connections that have tried the others', () => {
    const spare = at(1, { weight: 0 });
    const main = at(2);
    assert.equal(countOf(picks(10, 'roundrobin', [spare, main]), 'e1'), 0);
    assert.equal(
      makePicker('roundrobin', [spare, main]).pick({ tried: new Set([main]), active: idle }),
      spare,
    );
  });
});

describe('leastconn', () => {
  it('takes the one with the fewest connections for its weight', () => {
    const [a, b] = [at(1, { weight: 2 }), at(2)];
    const active = (e: Endpoint) => (e === a ? 3 : 2);
    assert.equal(makePicker('leastconn', [a, b]).pick({ tried: none, active }), a);
  });

  it('serves equals in turn', () => {
    assert.equal(new Set(picks(3, 'leastconn', [at(1), at(2), at(3)])).size, 3);
  });
});

describe('first', () => {
  it('stays with the first of the list', () => {
    assert.deepEqual(picks(3, 'first', [at(7), at(2)]), ['e7', 'e7', 'e7']);
  });
});

describe('random', () => {
  it('reaches every endpoint that has weight, and no other', () => {
    const names = picks(400, 'random', [at(1), at(2, { weight: 3 }), at(3, { weight: 0 })]);
    assert.deepEqual([...new Set(names)].toSorted(), ['e1', 'e2']);
  });
});
