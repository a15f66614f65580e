import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { silentLogger } from '../../../../src/core/log.ts';
import { sharePool } from '../../../../src/proxy/epoll/shared-pool.ts';
import { Bed, ending, isConnection, readAll } from '../../../contract/data-plane-bed.ts';
import type { LogLine } from '../../../support/recording-logger.ts';
import { until } from '../../../support/updates.ts';

const echo = (socket: Socket) => socket.pipe(socket);
const hasDied = (line: LogLine) => /worker \d has died/.test(line.message);
const descriptors = () => readdirSync('/proc/self/fd').length;

/** Hands a worker a listening socket that is none: a fault that nothing in it catches. */
async function kill(thread: number): Promise<void> {
  const { pool, giveBack } = await sharePool({ workers: 1, openFiles: 1024, logger: silentLogger });
  pool.send(thread, {
    kind: 'open',
    settings: {
      front: 99,
      listener: -1,
      counters: new SharedArrayBuffer(1024),
      routes: [],
      ownAddresses: [],
      destination: 'own',
      limits: {
        connectTimeoutMs: 1,
        dialBudgetMs: 1,
        keepAliveMs: 1,
        halfClosedMs: 1,
        resolveWaitMs: 1,
      },
      maxConnections: 1,
      logsInfo: false,
    },
  });
  await giveBack();
}

async function open(bed: Bed): Promise<Socket> {
  const call = bed.call();
  call.write('x');
  await once(call, 'data');
  return call;
}

/** The nth line that fits, written already or yet to come. */
function nth(bed: Bed, number: number, fits: (line: LogLine) => boolean): Promise<LogLine> {
  return bed.log.line((line) => fits(line) && bed.log.lines.filter(fits).indexOf(line) === number - 1);
}

describe('a worker that dies', () => {
  it('resets its connections, leaves no descriptor behind, and is replaced', async () => {
    await using bed = await Bed.start({ workers: 1 });
    bed.setEndpoints([await bed.endpoint(echo)]);
    const lost = await open(bed);
    // Without the call itself, the two sides of it in the proxy, and the endpoint's.
    const before = descriptors() - 4;
    const end = ending(lost);
    await kill(1);
    assert.equal(await end, 'ECONNRESET');
    assert.match((await bed.log.line(hasDied)).message, /cannot be watched: EBADF/);
    const next = bed.call();
    next.end('served');
    assert.equal((await readAll(next)).toString(), 'served');
    await bed.log.line(isConnection);
    assert.equal(bed.proxy.counters.active, 0);
    await until(
      () => descriptors() <= before,
      () => `no descriptor is left behind (${descriptors()} in place of ${before})`,
    );
  });

  it('does not disturb the others', async () => {
    await using bed = await Bed.start({ workers: 2 });
    bed.setEndpoints([await bed.endpoint(echo)]);
    // The kernel spreads callers by the hash of their ports: among so many, both workers have some.
    const calls = await Promise.all(Array.from({ length: 24 }, () => open(bed)));
    const lost: Socket[] = [];
    for (const call of calls) call.once('close', () => lost.push(call));
    await kill(1);
    await bed.log.line(hasDied);
    await until(
      () => lost.length > 0,
      () => 'the connections of the dead one are reset',
    );
    const left = calls.filter((call) => !call.destroyed);
    assert.ok(left.length > 0);
    for (const call of left) {
      call.write('y');
      const [answer] = await once(call, 'data');
      assert.equal(String(answer), 'y');
    }
    // The dead one's listening socket is still there, and what waits in it is served by the next.
    const more = await Promise.all(Array.from({ length: 24 }, () => open(bed)));
    assert.equal(more.length, 24);
  });

  it('is replaced again and again, and the counters stay right', async () => {
    await using bed = await Bed.start({ workers: 1 });
    bed.setEndpoints([await bed.endpoint(echo)]);
    for (let round = 1; round <= 3; round++) {
      const call = bed.call();
      call.end('x');
      await readAll(call);
      await nth(bed, round, isConnection);
      await kill(1);
      await nth(bed, round, hasDied);
    }
    assert.deepEqual(bed.proxy.counters, { active: 0, served: 3, refused: 0 });
    await bed.proxy.stop(0);
    assert.deepEqual(
      bed.proxy.traffic().filter(({ active }) => active !== 0),
      [],
    );
  });
});
