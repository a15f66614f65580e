import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { resourcesNow } from '../../support/resources.ts';
import { EtcdServer } from './etcd-server.ts';
import { nextSet, watching } from './etcd-watching.ts';

describe('etcd that is gone', () => {
  it('takes nothing away; what has changed meanwhile is told when it is back', async () => {
    await using server = await EtcdServer.start();
    await server.put('/web/a', '10.0.0.1:80');
    using on = watching([server]);
    const updates = on.watch('/web');
    const other = on.watch('/other');
    assert.equal(await updates.text(), '10.0.0.1:80');
    assert.equal(await other.text(), 'nothing');
    for (let round = 1; round <= 2; round++) {
      await server.kill();
      assert.equal(await updates.text(), 'ERR_RESOLVE_FAILED');
      assert.equal(await other.text(), 'ERR_RESOLVE_FAILED');
      await server.run();
      assert.notEqual(await updates.text(), 'nothing');
      assert.equal(await other.text(), 'nothing');
      await server.put('/web/a', `10.0.${round}.1:80`);
      await nextSet(updates, `10.0.${round}.1:80`);
    }
    // Once for the cluster, not once for each path.
    assert.deepEqual(
      on.logger.lines.map(({ level }) => level),
      ['warn', 'info', 'warn', 'info'],
    );
  });

  it('and comes back empty is believed', async () => {
    await using server = await EtcdServer.start();
    for (let round = 0; round < 20; round++) await server.put('/web/a', `10.0.0.${round}:80`);
    using on = watching([server]);
    const updates = on.watch('/web');
    assert.equal(await updates.text(), '10.0.0.19:80');
    await server.kill();
    assert.equal(await updates.text(), 'ERR_RESOLVE_FAILED');
    await server.wipe();
    await server.run();
    await nextSet(updates, 'nothing');
    // Its revisions are lower than what has been seen before.
    await server.put('/web/b', '10.0.0.2:80');
    assert.equal(await updates.text(), '10.0.0.2:80');
  });

  it('at the start is waited for', async () => {
    await using server = await EtcdServer.start();
    await server.put('/web/a', '10.0.0.1:80');
    await server.kill();
    using on = watching([server]);
    const updates = on.watch('/web');
    const update = await updates.next();
    assert.ok(!update.ok);
    const where = `127\\.0\\.0\\.1:${server.port}`;
    assert.match(
      update.error.message,
      new RegExp(`^etcd ${where}: cannot be reached: connect ECONNREFUSED ${where}; check that etcd runs`),
    );
    const late = on.watch('/late');
    assert.equal(await late.text(), 'ERR_RESOLVE_FAILED');
    await server.run();
    assert.equal(await updates.text(), '10.0.0.1:80');
    assert.equal(await late.text(), 'nothing');
  });

  it('leaves nothing open when nobody watches any more', async () => {
    await using server = await EtcdServer.start();
    await server.kill();
    const backToStart = await resourcesNow();
    using on = watching([server]);
    await on.watch('/web').next();
    on[Symbol.dispose]();
    await backToStart();
  });
});

describe('etcd that accepts and never answers', () => {
  it('is noticed under a watch, takes nothing away, and is followed again when it does', async () => {
    await using server = await EtcdServer.start();
    await server.put('/web/a', '10.0.0.1:80');
    const backToStart = await resourcesNow();
    using on = watching([server]);
    const updates = on.watch('/web');
    assert.equal(await updates.text(), '10.0.0.1:80');
    // A change that has come through the watch: from now on nothing is owed, and only pings tell silence from death.
    await server.put('/web/a', '10.0.0.2:80');
    assert.equal(await updates.text(), '10.0.0.2:80');
    server.freeze();
    assert.equal(await updates.text(), 'ERR_RESOLVE_FAILED');
    server.thaw();
    assert.equal(await updates.text(), '10.0.0.2:80');
    await server.put('/web/a', '10.0.0.3:80');
    assert.equal(await updates.text(), '10.0.0.3:80');
    on[Symbol.dispose]();
    await backToStart();
  });

  it('is noticed at the start, and left behind', async () => {
    await using server = await EtcdServer.start();
    const backToStart = await resourcesNow();
    server.freeze();
    using on = watching([server], { settings: { timeoutMs: 200 } });
    const update = await on.watch('/web').next();
    assert.ok(!update.ok);
    assert.match(update.error.message, /cannot be reached: no answer in time; check that etcd runs/);
    on[Symbol.dispose]();
    await backToStart();
    server.thaw();
  });
});

describe('etcd of three', () => {
  it('is followed at another member where one is gone, without a word', async () => {
    await using cluster = await startThree();
    const [first, second, third] = cluster.servers;
    await second.put('/web/a', '10.0.0.1:80');
    using on = watching([first, second, third]);
    const updates = on.watch('/web');
    assert.equal(await updates.text(), '10.0.0.1:80');
    await first.kill();
    await untilWritten(second, '/web/a', '10.0.0.2:80');
    assert.equal(await updates.text(), '10.0.0.2:80');
    assert.equal(updates.count, 2);
    assert.deepEqual(on.logger.at('warn'), []);
  });

  it('that has lost its majority takes nothing away, and is followed again with its next leader', async () => {
    await using cluster = await startThree();
    const [first, second, third] = cluster.servers;
    await first.put('/web/a', '10.0.0.1:80');
    using on = watching([first, second, third]);
    const updates = on.watch('/web');
    assert.equal(await updates.text(), '10.0.0.1:80');
    await second.kill();
    await third.kill();
    assert.equal(await updates.text(), 'ERR_RESOLVE_FAILED');
    await Promise.all([second.run(), third.run()]);
    assert.equal(await updates.text(), '10.0.0.1:80');
    await untilWritten(second, '/web/a', '10.0.0.2:80');
    assert.equal(await updates.text(), '10.0.0.2:80');
  });
});

async function startThree() {
  const [first, second, third] = await EtcdServer.startCluster(3);
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  const servers = [first, second, third] as const;
  return {
    servers,
    [Symbol.asyncDispose]: async () => {
      for (const server of servers) await server[Symbol.asyncDispose]();
    },
  };
}

/** Writes, again where the members are still choosing their leader. */
async function untilWritten(server: EtcdServer, key: string, value: string): Promise<void> {
  for (let round = 1; ; round++) {
    try {
      return await server.put(key, value);
    } catch (thrown) {
      if (round === 5) throw thrown;
    }
  }
}
