import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { EndpointTraffic } from '../../../src/admin/sources.ts';
import { TrafficLedger } from '../../../src/admin/traffic-ledger.ts';

function row(backend: string, endpoint: string, connections: number, active = 0): EndpointTraffic {
  const bytes = { bytesUp: connections * 10, bytesDown: connections * 100 };
  return { backend, endpoint, connections, active, failures: 0, ...bytes };
}

describe('TrafficLedger', () => {
  it('adds up what several data planes carried to one endpoint', () => {
    const ledger = new TrafficLedger();
    ledger.read([row('b', 'e', 2, 1), row('b', 'e', 3, 1), row('b', 'f', 1)]);
    assert.deepEqual(ledger.ofEndpoint('b', 'e'), {
      connections: 5,
      active: 2,
      failures: 0,
      bytesUp: 50,
      bytesDown: 500,
    });
    assert.equal(ledger.ofBackend('b').connections, 6);
    assert.equal(ledger.total().bytesDown, 600);
  });

  it('keeps what an endpoint carried that is gone, in its backend', () => {
    const ledger = new TrafficLedger();
    ledger.read([row('b', 'e', 5, 1), row('b', 'f', 1)]);
    ledger.read([row('b', 'f', 2)]);
    assert.equal(ledger.ofEndpoint('b', 'e').connections, 0);
    assert.deepEqual([ledger.ofBackend('b').connections, ledger.ofBackend('b').active], [7, 0]);
  });

  it('keeps what a backend carried that is gone, in the total', () => {
    const ledger = new TrafficLedger();
    ledger.read([row('b', 'e', 5)]);
    ledger.read([]);
    ledger.read([]);
    assert.equal(ledger.ofBackend('b').connections, 0);
    assert.equal(ledger.total().connections, 5);
    assert.deepEqual([...ledger.names()], []);
  });

  it('goes on where a counter has begun anew', () => {
    const ledger = new TrafficLedger();
    ledger.read([row('b', 'e', 50)]);
    ledger.read([row('b', 'e', 1)]);
    ledger.read([row('b', 'e', 2)]);
    assert.equal(ledger.ofEndpoint('b', 'e').connections, 52);
  });

  it('has a total that never becomes smaller, whatever comes and goes', () => {
    const counters = fc.array(
      fc.tuple(fc.constantFrom('a', 'b'), fc.constantFrom('e', 'f', 'g'), fc.nat(9)),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(fc.array(counters), (readings) => {
        const ledger = new TrafficLedger();
        let before = 0;
        for (const rows of readings) {
          ledger.read(rows.map(([backend, endpoint, connections]) => row(backend, endpoint, connections)));
          const now = ledger.total().connections;
          assert.ok(now >= before, `${now} after ${before}`);
          before = now;
        }
      }),
    );
  });
});
