/**
 * Short connections whose both sides end, half-close and reset at random leave nothing behind. NUNCIO_SHORT_CONNECTIONS
 * says how many; 200,000 have been run.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { endpoint } from '../../../src/core/endpoint.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { Bed } from '../../contract/data-plane-bed.ts';
import type { PeersData } from './peers.ts';

const total = Number(process.env.NUNCIO_SHORT_CONNECTIONS ?? 60_000);
const atATime = 64;

function startPeers(workerData: PeersData): Worker {
  return new Worker(new URL('./peers.ts', import.meta.url), { workerData });
}

/** The descriptors of this process by kind: `socket`, `pipe`, `anon_inode`, a file's name. */
function descriptors(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const fd of readdirSync('/proc/self/fd')) {
    let kind = 'gone';
    try {
      kind = readlinkSync(`/proc/self/fd/${fd}`).replace(/:.*/, '');
    } catch {
      // The folder's own descriptor, by now closed.
    }
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

for (const workers of [1, 2]) {
  it(`${total} short connections through ${workers} worker(s) leave no descriptor and no pipe`, async () => {
    const errors: string[] = [];
    const logger = {
      ...silentLogger,
      error: (message: string) => void errors.push(message),
      isLevelEnabled: (level: string) => level !== 'info',
    };
    await using bed = await Bed.start({ workers }, { logger });
    const servers = startPeers({ role: 'servers', seed: 7 });
    const [{ port }] = (await once(servers, 'message')) as [AddressInfo];
    bed.setEndpoints([endpoint('127.0.0.1', port)]);
    const before = descriptors();
    const callers = startPeers({
      role: 'callers',
      seed: 11,
      port: bed.destination.port,
      connections: total,
      atATime,
    });
    await once(callers, 'message');
    await once(callers, 'exit');
    // What the last callers have reset or left half-open comes to its end; pipes that are free are closed every second.
    const left = () =>
      ['socket', 'pipe'].filter((kind) => (descriptors().get(kind) ?? 0) > (before.get(kind) ?? 0));
    for (let tries = 0; tries < 100 && (bed.proxy.counters.active > 0 || left().length > 0); tries++) {
      await delay(100);
    }
    const { active, served, refused } = bed.proxy.counters;
    assert.equal(active, 0);
    assert.deepEqual(
      left(),
      [],
      `${JSON.stringify([...before])} became ${JSON.stringify([...descriptors()])}`,
    );
    assert.ok(served + refused <= total);
    assert.ok(served > total / 2, `${served} of ${total} were relayed`);
    assert.deepEqual(errors, []);
    await servers.terminate();
  });
}
