import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BackendOptions } from '../../../src/backend/backend.ts';
import { type Endpoint, endpoint, endpointKey } from '../../../src/core/endpoint.ts';
import { maxEndpoints } from '../../../src/kernel/layout.ts';
import { type Family, type Proof, planFamily, planRoute, type RoutePlan } from '../../../src/kernel/plan.ts';
import type { BackendEntry } from '../../../src/route/table.ts';

const one = endpoint('10.0.0.1', 80);
const two = endpoint('10.0.0.2', 80);
const six = endpoint('fd00::1', 80, { name: '10.0.0.1' });
const surroundings = { addresses: new Set(['172.17.0.1']), exceptPorts: new Set([10_001]) };
const target = { kind: 'backend', backendKey: 'key' } as const;

function backend(endpoints: readonly Endpoint[], rest: Partial<BackendEntry> = {}): BackendEntry {
  return { key: 'key', text: 'text', options: {}, isResolved: true, endpoints, ejected: [], ...rest };
}

function planned(endpoints: readonly Endpoint[], rest: Partial<BackendEntry> = {}): RoutePlan {
  return planRoute(80, target, backend(endpoints, rest), surroundings);
}

describe('planRoute', () => {
  const proxied: readonly [what: string, plan: () => RoutePlan, reason: string][] = [
    [
      'a refused route',
      () => planRoute(80, { kind: 'refused', code: 'ERR_NO_ROUTE', reason: 'x' }, undefined, surroundings),
      'refused',
    ],
    [
      'a port of the ambassador',
      () => planRoute(10_001, target, backend([one]), surroundings),
      'the rules leave the port out',
    ],
    [
      'a backend that is not there',
      () => planRoute(80, target, undefined, surroundings),
      'its source has not answered yet',
    ],
    [
      'a source without an answer',
      () => planned([], { isResolved: false }),
      'its source has not answered yet',
    ],
    ['an empty set', () => planned([]), 'no endpoint'],
    ['a set that is down', () => planned([one], { down: [endpointKey(one)] }), 'every endpoint is down'],
    [
      'an endpoint on loopback',
      () => planned([one, endpoint('127.0.0.1', 80)]),
      "127.0.0.1:80 is the ambassador's own",
    ],
    [
      'an endpoint at the ambassador',
      () => planned([endpoint('172.17.0.1', 81)]),
      "172.17.0.1:81 is the ambassador's own",
    ],
    [
      'too many endpoints',
      () => planned(Array.from({ length: maxEndpoints + 1 }, (_, i) => endpoint(`10.0.1.${i}`, 80))),
      'more than 32 endpoints',
    ],
    ...(
      [
        ['send-proxy', { sendProxy: 'v2' }],
        ['leastconn', { balance: 'leastconn' }],
        ['connect-timeout', { connectTimeoutMs: 500 }],
      ] as const satisfies readonly [string, BackendOptions][]
    ).map(([reason, options]): [string, () => RoutePlan, string] => [
      reason,
      () => planned([one], { options }),
      reason,
    ]),
  ];
  for (const [what, plan, reason] of proxied) {
    it(`leaves ${what} to the proxy`, () => assert.deepEqual(plan(), { kind: 'proxy', reason }));
  }

  it('takes the best priority that has an endpoint which is not down', () => {
    const spare = endpoint('10.0.0.3', 80, { priority: 1 });
    assert.deepEqual(planned([one, two, spare]), { kind: 'kernel', turns: 'in-turn', tier: [one, two] });
    const down = [endpointKey(one)];
    assert.deepEqual(planned([one, two, spare], { down }), { kind: 'kernel', turns: 'in-turn', tier: [two] });
    const both = [endpointKey(one), endpointKey(two)];
    assert.deepEqual(planned([one, two, spare], { down: both }), {
      kind: 'kernel',
      turns: 'in-turn',
      tier: [spare],
    });
  });

  it('knows the policies that need no count of open connections', () => {
    const turns = (balance: BackendOptions['balance']) => {
      const plan = planned([one, two], balance === undefined ? {} : { options: { balance } });
      return plan.kind === 'kernel' ? [plan.turns, plan.tier.length] : plan.reason;
    };
    assert.deepEqual(turns(undefined), ['in-turn', 2]);
    assert.deepEqual(turns('roundrobin'), ['in-turn', 2]);
    assert.deepEqual(turns('random'), ['by-lot', 2]);
    assert.deepEqual(turns('first'), ['in-turn', 1]);
  });
});

describe('planFamily', () => {
  const proofs = (known: Record<string, Proof>) => (candidate: Endpoint) =>
    known[endpointKey(candidate)] ?? { kind: 'proved' as const };
  const plan = (tier: readonly Endpoint[], family: Family, known: Record<string, Proof> = {}) => {
    const made = planFamily(tier, family, proofs(known));
    return made.kind === 'kernel' ? made.endpoints.map(endpointKey) : made.reason;
  };

  it('takes the addresses of its family', () => {
    assert.deepEqual(plan([one, six], 4), ['10.0.0.1:80']);
    assert.deepEqual(plan([one, six], 6), ['[fd00::1]:80']);
  });

  it('is left to the proxy where a server has no such address', () => {
    assert.equal(plan([one, two, six], 6), '10.0.0.2 has no IPv6 address');
    assert.equal(plan([six], 4), '10.0.0.1 has no IPv4 address');
  });

  it('is left to the proxy where the caller cannot reach one of them', () => {
    const known = { '10.0.0.2:80': { kind: 'failed', code: 'EHOSTUNREACH' } } as const;
    assert.equal(
      plan([one, two], 4, known),
      '10.0.0.2:80 cannot be reached by the caller itself: EHOSTUNREACH',
    );
  });

  it('takes in what comes when it is proved', () => {
    const pending = { kind: 'pending' } as const;
    assert.deepEqual(plan([one, two], 4, { '10.0.0.2:80': pending }), ['10.0.0.1:80']);
    assert.equal(plan([one], 4, { '10.0.0.1:80': pending }), 'its endpoints are being tried');
  });
});
