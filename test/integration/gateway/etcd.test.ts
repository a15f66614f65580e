import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { Discovery as Registry } from '../../../src/backend/discovery-service.ts';
import { resourcesNow } from '../../support/resources.ts';
import { container, FakeFeed } from '../../unit/docker/fake-feed.ts';
import { EtcdServer } from '../discovery/etcd-server.ts';
import { freePort, GatewayBed, greeting, greets, Words } from './bed.ts';

let etcd: EtcdServer;
const at = (prefix: string): Registry => ({
  kind: 'etcd',
  servers: [{ host: etcd.host, port: etcd.port }],
  prefix,
});

before(async () => {
  etcd = await EtcdServer.start();
});
after(() => etcd[Symbol.asyncDispose]());

suite('applications in etcd', () => {
  test('both names of the folder, both places of the value; they come, move and go', async () => {
    await using words = await new Words();
    const [one, two, three] = [await words.http('one'), await words.http('two'), await words.http('three')];
    await etcd.put('/p1/apps/a.example/id-1', one.at);
    await etcd.put(`/p1/applications/b.example/id-2/${two.at}`, '');
    await using bed = await GatewayBed.start(at('/p1'));
    await bed.answers('a.example', '200 one');
    await bed.answers('B.Example:8080', '200 two');
    assert.match(await bed.get('c.example'), /^404 /);
    await etcd.put('/p1/apps/*.c.example/id-3', three.at);
    await bed.answers('x.c.example', '200 three');
    await etcd.put('/p1/apps/a.example/id-1', two.at);
    await bed.answers('a.example', '200 two');
    await etcd.remove('/p1/apps/a.example/id-1');
    await bed.until(({ applications }) => !applications.some(({ domain }) => domain === 'a.example'));
    assert.match(await bed.get('a.example'), /^404 /);
  });

  test('an instance that dies: no request fails while another lives; back again, it serves', async () => {
    await using words = await new Words();
    const [one, two] = [await words.http('one'), await words.http('two')];
    await etcd.put('/p2/apps/a.example/1', one.at);
    await etcd.put('/p2/apps/a.example/2', two.at);
    await using bed = await GatewayBed.start(at('/p2'));
    await bed.until(({ applications }) => applications[0]?.endpoints.length === 2);
    const said = new Set<string>();
    for (let i = 0; i < 10; i++) said.add(await bed.get('a.example'));
    assert.deepEqual(said, new Set(['200 one', '200 two']));
    await one.kill();
    for (let i = 0; i < 50; i++) assert.equal(await bed.get('a.example'), '200 two');
    await bed.until(
      ({ applications }) => applications[0]?.endpoints.some((e) => e.reason === 'ECONNREFUSED') ?? false,
    );
    const down = bed.gateway.status().applications[0]?.endpoints.find(({ address }) => address === one.at);
    assert.equal(down?.isUp, false);
  });

  test('an instance whose check says 503 gets nothing; two of three likewise', async () => {
    await using words = await new Words();
    let status = 200;
    const [good, bad, worse] = [
      await words.http('good'),
      await words.http('bad', () => status),
      await words.http('worse', () => status),
    ];
    for (const [id, { at: value }] of [good, bad, worse].entries())
      await etcd.put(`/p3/apps/a.example/${id}`, value);
    await using bed = await GatewayBed.start(at('/p3'));
    await bed.until(({ applications }) => applications[0]?.endpoints.length === 3);
    status = 503;
    await bed.until(
      ({ applications }) => applications[0]?.endpoints.filter((e) => e.reason === 'HTTP_503').length === 2,
    );
    for (let i = 0; i < 10; i++) assert.equal(await bed.get('a.example'), '200 good');
    status = 200;
    await bed.until(({ applications }) => applications[0]?.endpoints.every(({ isUp }) => isUp) ?? false);
  });

  test('what nobody can read is skipped, counted, told once and shown; the rest is served', async () => {
    await using words = await new Words();
    const one = await words.http('one');
    await etcd.put('/p4/apps/a.example/1', one.at);
    await etcd.put('/p4/apps/a..b/1', one.at);
    await etcd.put('/p4/apps/bad.example/1', 'nothing');
    await etcd.put('/p4/services/db/99999/1', one.at);
    await etcd.put('/p4/services/redis-A/redis.service', '{"port":1,"host":"10.0.0.1"}');
    await using bed = await GatewayBed.start(at('/p4'));
    await bed.answers('a.example', '200 one');
    const { skipped } = bed.gateway.status();
    assert.equal(skipped.count, 4);
    assert.deepEqual(
      skipped.keys.map(({ key }) => key),
      ['/apps/a..b/1', '/apps/bad.example/1', '/services/db/99999/1', '/services/redis-A/redis.service'],
    );
    assert.match(await bed.get('bad.example'), /^503 /);
    await etcd.put('/p4/apps/a.example/2', one.at);
    await bed.until(({ applications }) => applications.length === 2);
    const told = bed.log.at('warn').filter((line) => line.includes('skipped'));
    assert.equal(told.length, 4, told.join('\n'));
  });

  test('a neighbour of the folder is none of ours', async () => {
    await using words = await new Words();
    const one = await words.http('one');
    await etcd.put('/p5/appsx/a.example/1', one.at);
    await etcd.put('/p5/apps/b.example/1', one.at);
    await using bed = await GatewayBed.start(at('/p5'));
    await bed.answers('b.example', '200 one');
    assert.equal(bed.gateway.status().applications.length, 1);
    assert.equal(bed.gateway.status().skipped.count, 0);
  });
});

suite('services in etcd', () => {
  test('a port is listened on while its service is registered, and balanced', async () => {
    await using words = await new Words();
    const [one, two] = [await words.tcp('one'), await words.tcp('two')];
    const port = await freePort();
    await using bed = await GatewayBed.start(at('/s1'));
    await bed.until(({ registry }) => registry.isRead);
    assert.equal(await greeting(port), '');
    await etcd.put(`/s1/services/db/${port}/1`, one.at);
    await greets(port, 'one');
    await etcd.put(`/s1/services/db/${port}/2`, two.at);
    await greets(port, 'two');
    await etcd.remove(`/s1/services/db/${port}/1`);
    await bed.until(({ services }) => services[0]?.endpoints.length === 1);
    for (let i = 0; i < 4; i++) assert.equal(await greeting(port), 'two');
    const [service] = bed.gateway.status().services;
    assert.equal(service?.state, 'listening');
    assert.ok((service?.served ?? 0) >= 4);
    await etcd.remove(`/s1/services/db/${port}/2`);
    await greets(port, '');
    await bed.until(({ services }) => services.length === 0);
  });

  test('a connection goes on when its service is taken out, for the time of the drain', async () => {
    await using words = await new Words();
    const one = await words.tcp('one');
    const port = await freePort();
    await etcd.put(`/s2/services/db/${port}/1`, one.at);
    await using bed = await GatewayBed.start(at('/s2'), { drainMs: 60_000 });
    await greets(port, 'one');
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'data');
    await etcd.remove(`/s2/services/db/${port}/1`);
    await bed.until(({ services }) => services.length === 0);
    await greets(port, '');
    socket.write('still');
    const [echo] = await once(socket, 'data');
    assert.equal(echo.toString(), 'still');
    socket.destroy();
  });

  test('a port that is taken: reported once, the others served, and listened on when it is free', async () => {
    await using words = await new Words();
    const one = await words.tcp('one');
    const other = createServer((socket) => socket.destroy()).listen(0, '::');
    await once(other, 'listening');
    const address = other.address();
    assert.ok(typeof address === 'object' && address !== null);
    const port = await freePort();
    await etcd.put(`/s3/services/taken/${address.port}/1`, one.at);
    await etcd.put(`/s3/services/free/${port}/1`, one.at);
    await using bed = await GatewayBed.start(at('/s3'));
    await greets(port, 'one');
    await bed.until(({ services }) => services.some(({ state }) => state === 'port-taken'));
    const taken = bed.gateway.status().services.find(({ state }) => state === 'port-taken');
    assert.match(taken?.problem ?? '', /EADDRINUSE/);
    const errors = bed.log.at('error').filter((line) => line.startsWith(`port ${address.port}`));
    assert.equal(errors.length, 1);
    other.close();
    await greets(address.port, 'one');
  });

  test('two names on one port: the first, and for a linked caller the one that its alias names', async () => {
    await using words = await new Words();
    const [a, b] = [await words.tcp('a'), await words.tcp('b')];
    const port = await freePort();
    await etcd.put(`/s4/services/alpha/${port}/1`, a.at);
    await etcd.put(`/s4/services/beta/${port}/1`, b.at);
    const self = container({ id: 'e'.repeat(64), name: 'dynamic-ambassador' });
    const feed = new FakeFeed();
    feed.present(self);
    await using bed = await GatewayBed.start(at('/s4'), {}, { feed, selfId: self.id });
    await greets(port, 'a');
    const states = bed.gateway.status().services.map(({ name, state }) => [name, state]);
    assert.deepEqual(states, [
      ['alpha', 'listening'],
      ['beta', 'by-link-only'],
    ]);
    const caller = container({
      id: 'c'.repeat(64),
      name: 'web',
      networks: [{ id: 'n', name: 'bridge', addresses: ['127.0.0.1'] }],
      links: [{ target: 'dynamic-ambassador', alias: 'beta' }],
    });
    feed.present(caller);
    await greets(port, 'b');
    feed.gone(caller.id);
    await greets(port, 'a');
    await bed.log.line(({ message }) => message === `port ${port}: alpha has it; beta by link alias only`);
  });
});

suite('etcd that fails', () => {
  test('away: what was known is served; back empty: it is believed, back with data: served again', async () => {
    await using own = await EtcdServer.start();
    await using words = await new Words();
    const one = await words.http('one');
    const database = await words.tcp('db');
    const port = await freePort();
    const put = async () => {
      await own.put('/apps/a.example/1', one.at);
      await own.put(`/services/db/${port}/1`, database.at);
    };
    await put();
    const registry: Registry = { kind: 'etcd', servers: [{ host: own.host, port: own.port }], prefix: '' };
    await using bed = await GatewayBed.start(registry, {}, { lostMs: 1500 });
    await bed.answers('a.example', '200 one');
    await greets(port, 'db');
    await own.kill();
    await bed.until(({ registry }) => registry.problem !== undefined);
    for (let i = 0; i < 10; i++) assert.equal(await bed.get('a.example'), '200 one');
    assert.equal(await greeting(port), 'db');
    await own.wipe();
    await own.run();
    await bed.until(({ registry }) => registry.problem === undefined);
    // Whoever has written the keys has a while to do it again.
    assert.equal(await bed.get('a.example'), '200 one');
    assert.equal(await greeting(port), 'db');
    await bed.until(({ applications, services }) => applications.length === 0 && services.length === 0);
    assert.match(await bed.get('a.example'), /^404 /);
    await put();
    await bed.answers('a.example', '200 one');
    await greets(port, 'db');
    assert.equal(bed.gateway.status().registry.problem, undefined);
  });

  test('back empty: a key that is written again and then removed is gone at once', async () => {
    await using own = await EtcdServer.start();
    await using words = await new Words();
    const one = await words.http('one');
    await own.put('/apps/a.example/1', one.at);
    await own.put('/apps/b.example/1', one.at);
    const registry: Registry = { kind: 'etcd', servers: [{ host: own.host, port: own.port }], prefix: '' };
    await using bed = await GatewayBed.start(registry);
    await bed.answers('a.example', '200 one');
    await own.kill();
    await bed.until(({ registry }) => registry.problem !== undefined);
    await own.wipe();
    await own.run();
    await own.put('/apps/a.example/1', one.at);
    await bed.until(({ registry }) => registry.problem === undefined);
    await own.remove('/apps/a.example/1');
    await bed.until(({ applications }) => applications.length === 1);
    assert.equal(await bed.get('b.example'), '200 one');
  });

  test('back empty and written again within a moment: no request fails', async () => {
    await using own = await EtcdServer.start();
    await using words = await new Words();
    const one = await words.http('one');
    await own.put('/apps/a.example/1', one.at);
    const registry: Registry = { kind: 'etcd', servers: [{ host: own.host, port: own.port }], prefix: '' };
    await using bed = await GatewayBed.start(registry);
    await bed.answers('a.example', '200 one');
    const said = new Set<string>();
    const writing = (async () => {
      for (let round = 0; round < 2; round++) {
        await own.remove('/apps/a.example/1');
        await own.put('/apps/a.example/1', one.at);
      }
      await new Promise((resolve) => setTimeout(resolve, 1200));
    })();
    let isOver = false;
    const ended = writing.finally(() => {
      isOver = true;
    });
    while (!isOver) said.add(await bed.get('a.example'));
    await ended;
    assert.deepEqual(said, new Set(['200 one']));
  });

  test('away at the start: served from the state directory', async () => {
    await using own = await EtcdServer.start();
    await using words = await new Words();
    const one = await words.http('one');
    const database = await words.tcp('db');
    const port = await freePort();
    await own.put('/apps/a.example/1', one.at);
    await own.put(`/services/db/${port}/1`, database.at);
    const stateDirectory = await mkdtemp(join(tmpdir(), 'nci-gateway-'));
    const registry: Registry = { kind: 'etcd', servers: [{ host: own.host, port: own.port }], prefix: '' };
    const discovery = {
      dnsServers: [],
      fileRoots: [],
      etcd: { timeoutMs: 1000 },
      consul: {},
      stateDirectory,
    };
    try {
      {
        await using first = await GatewayBed.start(registry, { discovery });
        await first.answers('a.example', '200 one');
        await greets(port, 'db');
      }
      await own.kill();
      await using second = await GatewayBed.start(registry, { discovery });
      await second.answers('a.example', '200 one');
      await greets(port, 'db');
      assert.equal(second.gateway.status().registry.isRead, false);
    } finally {
      await rm(stateDirectory, { recursive: true });
    }
  });

  test('away at the start, and nothing known: 404, and the reason in the status', async () => {
    const port = await freePort();
    const registry: Registry = { kind: 'etcd', servers: [{ host: '127.0.0.1', port }], prefix: '' };
    await using bed = await GatewayBed.start(registry);
    await bed.until(({ registry: { problem } }) => problem !== undefined);
    assert.match(await bed.get('a.example'), /^404 /);
  });
});

test('after the end nothing is left', async () => {
  await using words = await new Words();
  const one = await words.http('one');
  const port = await freePort();
  await etcd.put('/e1/apps/a.example/1', one.at);
  await etcd.put(`/e1/services/db/${port}/1`, one.at);
  const backToStart = await resourcesNow();
  const bed = await GatewayBed.start(at('/e1'));
  await bed.answers('a.example', '200 one');
  await bed.until(({ services }) => services[0]?.state === 'listening');
  await bed[Symbol.asyncDispose]();
  await backToStart();
});
