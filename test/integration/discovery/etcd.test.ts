import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import type { EtcdConnections, EtcdReader, EtcdWriter } from '../../../src/registry/etcd.ts';
import { resourcesNow } from '../../support/resources.ts';
import { settle } from '../../support/updates.ts';
import { EtcdServer } from './etcd-server.ts';
import { nextSet, watching } from './etcd-watching.ts';

const server = await EtcdServer.start();
after(() => server[Symbol.asyncDispose]());

describe('what each writer leaves in etcd', () => {
  const table: readonly [writer: string, path: string, leaves: Record<string, string>, set: string][] = [
    ['by hand', '/hand/list', { '/hand/list': '10.0.0.2:80,10.0.0.1:80' }, '10.0.0.2:80 10.0.0.1:80'],
    [
      'ambassadord',
      '/ambassadord/nodes',
      { '/ambassadord/nodes/1': '10.0.0.1:80', '/ambassadord/nodes/2': '10.0.0.2:80' },
      '10.0.0.1:80 10.0.0.2:80',
    ],
    [
      'registrator',
      '/registrator/web',
      {
        '/registrator/web/host-1:web:80': '10.0.0.5:49153',
        '/registrator/web/host-1:web:81': ':49154',
        '/registrator/web/host-1:web:82': '0.0.0.0:49155',
        '/registrator/web/host-1:web:53:udp': '10.0.0.5:49156',
      },
      '10.0.0.5:49153',
    ],
    [
      'registrator for SkyDNS',
      '/skydns/local/cluster/web',
      {
        '/skydns/local/cluster/web/a': '{"host":"10.0.0.5","port":49153,"priority":20}',
        '/skydns/local/cluster/web/b': '{"host":"10.0.0.6","port":49154,"priority":10}',
      },
      '10.0.0.6:49154 10.0.0.5:49153',
    ],
    [
      'service-registrar (embassy)',
      '/services/prod/apache',
      {
        '/services/prod/apache/80/49161/1353':
          '{"host":"fury","ipaddress":"192.168.13.90","tags":[],"host_port":"49161","proto":"tcp","port":"80"}',
      },
      '192.168.13.90:49161',
    ],
    [
      'docker-register',
      '/services/redis-A',
      { '/services/redis-A/redis.service': '{ "port": 49155, "host": "10.132.181.182" }' },
      '10.132.181.182:49155',
    ],
    [
      'dynamic-ambassador, value and key',
      '/services/mysql/3306',
      { '/services/mysql/3306/77aa': '10.0.0.6:49154', '/services/mysql/3306/77ab/[fd00::7]:49155': '' },
      '10.0.0.6:49154 [fd00::7]:49155',
    ],
  ];
  for (const [writer, path, leaves, set] of table) {
    it(writer, async () => {
      for (const [key, value] of Object.entries(leaves)) await server.put(key, value);
      using on = watching([server]);
      assert.equal(await on.watch(path).text(), set);
    });
  }

  it('what cannot be read is counted and told once', async () => {
    await server.put('/bad/a', ':80');
    using on = watching([server]);
    const updates = on.watch('/bad');
    assert.equal(await updates.text(), 'ERR_RESOLVE_FAILED');
    await server.put('/bad/b', '10.0.0.1:80');
    assert.equal(await updates.text(), '10.0.0.1:80');
    assert.equal(on.skipped.count, 1);
    assert.equal(on.logger.at('warn').length, 1);
    assert.match(on.logger.at('warn')[0] ?? '', /^etcd:\/\/.*\/bad: "a" skipped: .*":80"$/);
  });

  it('tags are asked for', async () => {
    const document = (port: number, tags: string[]) =>
      JSON.stringify({ ipaddress: '10.0.0.1', host_port: port, tags });
    await server.put('/tagged/a', document(1, ['prod', 'eu']));
    await server.put('/tagged/b', document(2, ['prod']));
    using on = watching([server], { tags: ['prod', 'eu'] });
    assert.equal(await on.watch('/tagged').text(), '10.0.0.1:1');
  });
});

describe('changes in etcd', () => {
  it('are told as they come: set, changed, deleted, and the value at the path itself', async () => {
    using on = watching([server]);
    const updates = on.watch('/changes');
    assert.equal(await updates.text(), 'nothing');
    await server.put('/changes', '10.0.0.9:80,10.0.0.8:80');
    assert.equal(await updates.text(), '10.0.0.9:80 10.0.0.8:80');
    await server.put('/changes/a', '10.0.0.1:80');
    assert.equal(await updates.text(), '10.0.0.1:80');
    await server.put('/changes/b/c', '10.0.0.2:80');
    assert.equal(await updates.text(), '10.0.0.1:80 10.0.0.2:80');
    await server.put('/changes/a', '10.0.0.3:80');
    assert.equal(await updates.text(), '10.0.0.3:80 10.0.0.2:80');
    await server.ctl('del', '--prefix', '/changes/');
    assert.equal(await updates.text(), '10.0.0.9:80 10.0.0.8:80');
    await server.remove('/changes');
    assert.equal(await updates.text(), 'nothing');
  });

  it('of neighbours do not matter: /foo is not /foobar', async () => {
    const neighbours = ['/foobar', '/foobar/a', '/foo-bar/a', '/foo.', '/foo0', '/fo', '/'];
    for (const key of neighbours) await server.put(key, '10.6.6.6:80');
    await server.put('/foo/a', '10.0.0.1:80');
    using on = watching([server]);
    const updates = on.watch('/foo');
    assert.equal(await updates.text(), '10.0.0.1:80');
    for (const key of neighbours) await server.put(key, '10.6.6.7:80');
    await server.put('/foo/b', '10.0.0.2:80');
    assert.equal(await updates.text(), '10.0.0.1:80 10.0.0.2:80');
    assert.equal(updates.count, 2);
  });

  it('come with the end of a lease, too', async () => {
    const granted = await server.ctl('lease', 'grant', '1');
    const lease = /lease (\w+)/.exec(granted)?.[1] ?? '';
    await server.ctl('put', `--lease=${lease}`, '/leased/redis.service', '{"port":1,"host":"10.0.0.1"}');
    using on = watching([server]);
    const updates = on.watch('/leased');
    assert.equal(await updates.text(), '10.0.0.1:1');
    assert.equal(await updates.text(), 'nothing');
  });

  it('between the read and the watch are not missed', async () => {
    await server.put('/between/a', '10.0.0.1:80');
    using on = watching([server], {
      between: beforeFirstWatch(() => server.put('/between/b', '10.0.0.2:80')),
    });
    const updates = on.watch('/between');
    assert.equal(await updates.text(), '10.0.0.1:80');
    assert.equal(await updates.text(), '10.0.0.1:80 10.0.0.2:80');
  });

  it('that have been compacted before the watch could see them are read', async () => {
    await server.put('/compacted/a', '10.0.0.1:80');
    using on = watching([server], {
      between: beforeFirstWatch(async () => {
        await server.remove('/compacted/a');
        await server.put('/compacted/b', '10.0.0.2:80');
        await server.put('/compacted/c', '10.0.0.3:80');
        await server.compact();
      }),
    });
    const updates = on.watch('/compacted');
    assert.equal(await updates.text(), '10.0.0.1:80');
    assert.equal(await updates.text(), '10.0.0.2:80 10.0.0.3:80');
    await server.remove('/compacted/b');
    assert.equal(await updates.text(), '10.0.0.3:80');
    assert.deepEqual(on.logger.lines, []);
  });

  it('go on after a compaction under the watch', async () => {
    await server.put('/compaction/a', '10.0.0.1:80');
    using on = watching([server]);
    const updates = on.watch('/compaction');
    await updates.text();
    for (let round = 0; round < 3; round++) await server.put('/elsewhere', `${round}`);
    await server.compact();
    await server.put('/compaction/a', '10.0.0.2:80');
    assert.equal(await updates.text(), '10.0.0.2:80');
  });
});

describe('connections to etcd', () => {
  it('are one for all watches, and none after the last', async () => {
    const backToStart = await resourcesNow();
    // etcd's own gateway is connected to it, too.
    const before = await server.connections();
    using on = watching([server]);
    const all = Array.from({ length: 100 }, (_, index) => on.watch(`/shared/${index}`));
    for (const updates of all) await updates.next();
    assert.equal(on.connections.size, 1);
    assert.equal(await server.connections(), before + 1);
    await server.put('/shared/42/a', '10.0.0.1:80');
    assert.equal(await all[42]?.text(), '10.0.0.1:80');
    on[Symbol.dispose]();
    assert.equal(on.connections.size, 0);
    await backToStart();
    assert.equal(await server.connections(), before);
    await server.put('/shared/42/a', '10.0.0.2:80');
    await settle();
    assert.equal(all[42]?.count, 2);
    assert.deepEqual(on.logger.lines, []);
  });

  it('are opened again after the last watch has gone', async () => {
    await server.put('/again/a', '10.0.0.1:80');
    for (let round = 0; round < 3; round++) {
      using on = watching([server]);
      await nextSet(on.watch('/again'), '10.0.0.1:80');
    }
  });
});

/** Lets something happen between the first read and its watch. */
function beforeFirstWatch(happen: () => Promise<void>) {
  let isFirst = true;
  return (connections: EtcdConnections): Pick<EtcdConnections, 'follow'> => ({
    follow: (servers, follower, signal) =>
      connections.follow(
        servers,
        {
          onLost: () => follower.onLost(),
          onDown: (error) => follower.onDown(error),
          onSession: (session) => {
            const reader: EtcdReader & EtcdWriter = {
              read: (path, ending) => session.read(path, ending),
              ask: (...args) => session.ask(...args),
              watch: async (...args) => {
                const wasFirst = isFirst;
                isFirst = false;
                if (wasFirst) await happen();
                return session.watch(...args);
              },
            };
            follower.onSession(reader);
          },
        },
        signal,
      ),
  });
}
