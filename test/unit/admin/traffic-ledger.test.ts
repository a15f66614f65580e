import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { EndpointTraffic } from '../../../src/admin/sources.ts';
import { TrafficLedger } from '../../../src/admin/traffic-ledger.ts';

function row(backend: string, endpoint: string, connections: number, active = 0): EndpointTraffic {
  const bytes = { bytesUp: connections * 10, bytesDown: connections * 100 };
  return { backend, endpoint, connections, active, failures: 0, ...bytes };
}

const always = () => true;
const never = () => false;

describe('TrafficLedger', () => {
  it('adds up what several data planes carried to one endpoint', () => {
    const ledger = new TrafficLedger();
    ledger.read([[row('b', 'e', 2, 1)], [row('b', 'e', 3, 1), row('b', 'f', 1)]], always);
    assert.deepEqual(ledger.ofEndpoint('b', 'e'), {
      connections: 5,
      kernelConnections: 0,
      active: 2,
      failures: 0,
      bytesUp: 50,
      bytesDown: 500,
    });
    assert.equal(ledger.ofBackend('b').connections, 6);
    assert.equal(ledger.total.bytesDown, 600);
  });

  it('keeps what an endpoint carried that is gone, in its backend', () => {
    const ledger = new TrafficLedger();
    ledger.read([[row('b', 'e', 5, 1), row('b', 'f', 1)]], always);
    ledger.read([[row('b', 'f', 2)]], always);
    assert.equal(ledger.ofEndpoint('b', 'e').connections, 0);
    assert.deepEqual([ledger.ofBackend('b').connections, ledger.ofBackend('b').active], [7, 0]);
  });

  it('keeps what a backend carried that is gone, in the total', () => {
    const ledger = new TrafficLedger();
    ledger.read([[row('b', 'e', 5)]], always);
    ledger.read([[]], always);
    assert.equal(ledger.ofBackend('b').connections, 5, 'its routes are there still');
    ledger.read([[]], never);
    ledger.read([[]], never);
    assert.equal(ledger.ofBackend('b').connections, 0);
    assert.equal(ledger.total.connections, 5);
    assert.deepEqual([...ledger.names()], []);
  });

  it('goes on where a counter has begun anew', () => {
    const ledger = new TrafficLedger();
    ledger.read([[row('b', 'e', 50)]], always);
    ledger.read([[row('b', 'e', 1)]], always);
    ledger.read([[row('b', 'e', 2)]], always);
    assert.equal(ledger.ofEndpoint('b', 'e').connections, 52);
  });

  it('counts once what several rows of one source tell, whichever of them goes', () => {
    const ledger = new TrafficLedger();
    const led = (part: string, connections: number) => ({
      ...row('b', 'e', connections),
      kernelConnections: connections,
      part,
    });
    ledger.read([[led('caller-1', 4), led('caller-2', 6)]], always);
    ledger.read([[led('caller-2', 7)]], always);
    ledger.read([[led('caller-2', 7), led('caller-1', 1)]], always);
    assert.equal(ledger.ofEndpoint('b', 'e').connections, 12);
    assert.equal(ledger.ofEndpoint('b', 'e').kernelConnections, 12);
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
          const read = rows.map(([backend, endpoint, connections]) => row(backend, endpoint, connections));
          ledger.read([read.slice(0, 2), read.slice(2)], never);
          const now = ledger.total.connections;
          assert.ok(now >= before, `${now} after ${before}`);
          before = now;
        }
      }),
    );
  });
});
