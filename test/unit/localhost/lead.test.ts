import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { planLead } from '../../../src/localhost/lead.ts';
import { container } from '../docker/fake-feed.ts';

const labels = new Map([['connect.6379', 'redis.service.consul']]);
const own = { id: 'n-own', name: 'own', addresses: ['10.9.0.2', 'fd00::2'] };
const self = container({
  id: 'self',
  name: 'backends',
  networks: [{ id: 'net-bridge', name: 'bridge', addresses: ['172.17.0.2'] }, own],
});
const place = { selfId: 'self' };

describe('what localhost of a container leads to', () => {
  it('is nothing without a label, whatever its environment says', () => {
    const caller = container({
      env: [['BACKEND_6379', 'redis:6379']],
      labels: new Map([['connected', '1']]),
    });
    assert.deepEqual(planLead(caller, place, self), { kind: 'none' });
  });

  it('is the ambassador at its address on a network of both, on every port that a label names', () => {
    const many = new Map([
      ['connect.6379', 'a'],
      ['connect.80', 'b'],
      ['connect.http', 'c'],
      ['connect.0', 'd'],
      ['connect.70000', 'e'],
    ]);
    const lead = (address: string, ports: number[]) => ({ kind: 'lead', lead: { address, ports } });
    assert.deepEqual(planLead(container({ labels: many }), place, self), lead('172.17.0.2', [80, 6379]));
    const elsewhere = container({ labels, networks: [{ ...own, addresses: ['10.9.0.7'] }] });
    assert.deepEqual(planLead(elsewhere, place, self), lead('10.9.0.2', [6379]));
    const host = { ...place, hostAddress: '172.17.0.1' };
    assert.deepEqual(planLead(elsewhere, host, undefined), lead('172.17.0.1', [6379]));
  });

  it("stays the ambassador's own in its own container", () => {
    assert.deepEqual(planLead({ ...self, labels }, place, self), { kind: 'none' });
  });

  for (const [what, rest, reason] of [
    ['on the network of the host', { networkMode: 'host', addresses: [] }, /host's network/],
    [
      'in another one',
      { networkMode: `container:${'abc'.repeat(8)}`, addresses: [] },
      /container abcabcabcabc: put the labels on that/,
    ],
    ['without a network', { networkMode: 'none', addresses: [] }, /no network/],
    [
      'on another network',
      { networks: [{ id: 'x', name: 'x', addresses: ['10.3.0.2'] }] },
      /docker network connect <network> backends/,
    ],
    ['on an IPv6 network', { networks: [{ id: 'x', name: 'x', addresses: ['fd00::9'] }] }, /no IPv4 network/],
  ] as const) {
    it(`is refused with what to do for a container ${what}`, () => {
      const plan = planLead(container({ labels, ...rest }), place, self);
      assert.equal(plan.kind, 'refused');
      assert.match(plan.kind === 'refused' ? plan.reason : '', reason);
    });
  }
});
