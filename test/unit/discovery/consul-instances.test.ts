import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isUnspecified } from '../../../src/core/address.ts';
import { type InstanceChoice, readInstances } from '../../../src/discovery/consul-instances.ts';

const passing: InstanceChoice = { tags: [], passing: true };

/** An entry as GET /v1/health/service/<name> has it. */
function entry(service: object, states: readonly string[] = ['passing'], node: object = {}): object {
  return {
    Node: { Node: 'node1', Address: '10.0.0.9', ...node },
    Service: { ID: 'web', Service: 'web', Address: '', Port: 80, Tags: [], ...service },
    Checks: states.map((Status) => ({ Status })),
  };
}

/** `name=host:port*weight` of what is chosen; skipped ones as `!key`. */
function read(entries: readonly object[], choice = passing): string {
  const { endpoints, skipped } = readInstances(entries, choice);
  return [
    ...endpoints.map(({ name, host, port, weight }) => `${name}=${host}:${port}*${weight}`),
    ...skipped.map(({ key }) => `!${key}`),
  ].join(' ');
}

const weights = { Weights: { Passing: 7, Warning: 2 } };

describe('readInstances', () => {
  for (const [what, one, choice, expected] of [
    ['node address where the service has none', entry({}), passing, 'web=10.0.0.9:80*1'],
    ['service address before node address', entry({ Address: '10.0.0.1' }), passing, 'web=10.0.0.1:80*1'],
    ['a name', entry({ Address: 'DB.example' }), passing, 'web=db.example:80*1'],
    ['IPv6', entry({ Address: 'FD00::0:1' }), passing, 'web=fd00::1:80*1'],
    ['no checks at all', entry({}, []), passing, 'web=10.0.0.9:80*1'],
    ['weight while passing', entry(weights, ['passing', 'passing']), passing, 'web=10.0.0.9:80*7'],
    ['warning', entry(weights, ['passing', 'warning']), passing, ''],
    [
      'weight while warning, where it may',
      entry(weights, ['passing', 'warning']),
      { tags: [], passing: false },
      'web=10.0.0.9:80*2',
    ],
    ['critical, on the node or on the service', entry({}, ['critical', 'passing']), passing, ''],
    [
      'critical, though not all need pass',
      entry({}, ['critical', 'warning']),
      { tags: [], passing: false },
      '',
    ],
    ['a state nobody knows', entry({}, ['maintenance']), { tags: [], passing: false }, ''],
    ['weight 0', entry({ Weights: { Passing: 0 } }), passing, 'web=10.0.0.9:80*0'],
    ['weight below 0', entry({ Weights: { Passing: -5 } }), passing, 'web=10.0.0.9:80*0'],
    ['weight beyond 65535', entry({ Weights: { Passing: 1e9 } }), passing, 'web=10.0.0.9:80*65535'],
    ['a weight that is none', entry({ Weights: { Passing: 'x' } }), passing, 'web=10.0.0.9:80*1'],
    [
      'a tag in another case',
      entry({ Tags: ['Prod', 'b'] }),
      { tags: ['b', 'prod'], passing: true },
      'web=10.0.0.9:80*1',
    ],
    ['one tag of two', entry({ Tags: ['prod'] }), { tags: ['b', 'prod'], passing: true }, ''],
    ['no tags', entry({ Tags: null }), { tags: ['b'], passing: true }, ''],
    ['no id', entry({ ID: '' }), passing, 'web=10.0.0.9:80*1'],
    ['port 0', entry({ Port: 0 }), passing, '!web'],
    ['a port that is none', entry({ Port: 70_000 }), passing, '!web'],
    ['every address', entry({ Address: '0.0.0.0' }), passing, '!web'],
    ['no address', entry({}, [], { Address: '' }), passing, '!web'],
    ['no host', entry({ Address: 'a b' }), passing, '!web'],
    ['no node', { Service: {}, Checks: [] }, passing, '!'],
    ['no checks field', { Service: {}, Node: {} }, passing, '!'],
  ] as const satisfies readonly (readonly [string, object, InstanceChoice, string])[]) {
    it(what, () => assert.equal(read([one], choice), expected));
  }

  it('orders by id, then by node', () => {
    const list = [
      entry({ ID: 'b' }),
      entry({ ID: 'a', Address: '10.0.0.2' }, [], { Node: 'n2' }),
      entry({ ID: 'a', Address: '10.0.0.1' }, [], { Node: 'n1' }),
    ];
    const expected = 'a=10.0.0.1:80*1 a=10.0.0.2:80*1 b=10.0.0.9:80*1';
    assert.equal(read(list), expected);
    assert.equal(read(list.toReversed()), expected);
  });

  it('never throws and never names nonsense, whatever the entries are', () => {
    const field = fc.oneof(fc.jsonValue(), fc.constantFrom('passing', '::', '0.0.0.0', '10.0.0.1', 80, 0));
    const some = (keys: readonly string[]) =>
      fc.record(Object.fromEntries(keys.map((key) => [key, field])), { requiredKeys: [] });
    const any = fc.record(
      {
        Node: fc.oneof(some(['Node', 'Address']), field),
        Service: fc.oneof(some(['ID', 'Service', 'Address', 'Port', 'Tags', 'Weights']), field),
        Checks: fc.oneof(fc.array(some(['Status'])), field),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.array(any, { maxLength: 5 }), fc.boolean(), (entries, strict) => {
        for (const { host, port, weight, name } of readInstances(entries, { tags: [], passing: strict })
          .endpoints) {
          assert.ok(host !== '' && name !== '' && !isUnspecified(host.replace(/[^0-9a-f.:]/g, 'x')));
          assert.ok(Number.isInteger(port) && port >= 1 && port <= 65_535);
          assert.ok(Number.isInteger(weight) && weight >= 0 && weight <= 65_535);
        }
      }),
    );
  });
});
