import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AppError } from '../../../src/core/errors.ts';
import { connectEngine } from '../../../src/docker/engine.ts';
import { LiveFeed } from '../../../src/docker/live-feed.ts';
import { RecordingLogger } from '../../support/recording-logger.ts';
import { FakeEngine, idOf } from './fake-engine.ts';
import { Follower } from './follower.ts';

async function setUp(prepare: (engine: FakeEngine) => void = () => {}, timeoutMs = 5_000) {
  const engine = await FakeEngine.listen();
  prepare(engine);
  const log = new RecordingLogger();
  const feed = new LiveFeed({ engine: connectEngine({ host: engine.host, timeoutMs }), logger: log });
  const follower = new Follower(feed);
  return {
    engine,
    log,
    feed,
    follower,
    async [Symbol.asyncDispose]() {
      await feed.stop();
      await engine[Symbol.asyncDispose]();
    },
  };
}

test('the stream is opened before the list is read, and the snapshot is there after start', async () => {
  await using t = await setUp((engine) => {
    engine.run({ id: idOf(1), name: 'web-1', ip: '10.0.0.1', env: ['BACKEND_80=a:80'] });
    engine.run({ id: idOf(2), name: 'web-2', ip: '10.0.0.2', paused: true });
  });
  await t.feed.start();
  assert.ok(t.engine.calls.indexOf('events') < t.engine.calls.indexOf('list'), t.engine.calls.join());
  assert.deepEqual(t.feed.containers.get(idOf(1)), {
    id: idOf(1),
    name: 'web-1',
    state: 'running',
    health: 'none',
    env: [['BACKEND_80', 'a:80']],
    labels: new Map(),
    networks: [{ id: 'net-bridge', name: 'bridge', addresses: ['10.0.0.1'] }],
    published: [],
    links: [],
    networkMode: 'bridge',
    image: '',
    pid: 0,
  });
  assert.equal(t.feed.containers.get(idOf(2))?.state, 'paused');
});

test('a container that starts while the list is read is not lost', async () => {
  await using t = await setUp((engine) => engine.run({ id: idOf(1), name: 'old', ip: '10.0.0.1' }));
  const open = t.engine.hold(idOf(1));
  const starting = t.feed.start();
  await t.engine.until(() => t.engine.count('inspect') === 1);
  t.engine.run({ id: idOf(2), name: 'new', ip: '10.0.0.2' });
  open();
  await starting;
  await t.follower.until(() => t.follower.names.join() === 'new,old');
});

test('start, pause, unpause, rename, network connect and die are told in order', async () => {
  await using t = await setUp();
  await t.feed.start();
  const container = () => t.feed.containers.get(idOf(1));
  t.engine.run({ id: idOf(1), name: 'web', ip: '10.0.0.1' });
  await t.follower.until(() => container() !== undefined);
  t.engine.change(idOf(1), { paused: true }, 'pause');
  await t.follower.until(() => container()?.state === 'paused');
  t.engine.change(idOf(1), { paused: false }, 'unpause');
  await t.follower.until(() => container()?.state === 'running');
  t.engine.change(idOf(1), { name: 'shop' }, 'rename');
  await t.follower.until(() => container()?.name === 'shop');
  const networks = { a: { NetworkID: 'net-a', IPAddress: '10.1.0.1', GlobalIPv6Address: 'FD00::1' } };
  t.engine.change(idOf(1), { networks }, 'connect');
  await t.follower.until(() => container()?.networks[0]?.id === 'net-a');
  assert.deepEqual(container()?.networks[0]?.addresses, ['10.1.0.1', 'fd00::1']);
  t.engine.die(idOf(1));
  await t.follower.until(() => container() === undefined);
  assert.deepEqual(t.follower.told, ['+web', '+web', '+web', '+shop', '+shop', '-1']);
});

test('a death counts at once, and an inspection asked before it does not bring the container back', async () => {
  await using t = await setUp();
  await t.feed.start();
  t.engine.run({ id: idOf(1), name: 'web', ip: '10.0.0.1' });
  await t.follower.until(() => t.follower.told.length === 1);
  const open = t.engine.hold(idOf(1));
  t.engine.change(idOf(1), { name: 'renamed' }, 'rename');
  await t.engine.until(() => t.engine.count('inspect') === 2);
  t.engine.die(idOf(1));
  await t.follower.until(() => t.follower.told.length === 2);
  open();
  // A later container proves that the old answer has been through.
  t.engine.run({ id: idOf(2), name: 'next', ip: '10.0.0.1' });
  await t.follower.until(() => t.follower.names.includes('next'));
  await t.feed.refresh();
  assert.deepEqual(t.follower.told, ['+web', '-1', '+next']);
});

test('what happens while an inspection is under way is asked for again', async () => {
  await using t = await setUp();
  await t.feed.start();
  const open = t.engine.hold(idOf(1));
  t.engine.run({ id: idOf(1), name: 'first', ip: '10.0.0.1' });
  await t.engine.until(() => t.engine.count('inspect') === 1);
  t.engine.change(idOf(1), { name: 'second' }, 'rename');
  // The next event on the stream proves that the rename has been read.
  t.engine.run({ id: idOf(2), name: 'other', ip: '10.0.0.2' });
  await t.follower.until(() => t.follower.names.includes('other'));
  open();
  await t.follower.until(() => t.follower.names.includes('second'));
  assert.equal(t.engine.count(`inspect ${idOf(1)}`), 2);
});

test('a list read before a start or a death does not undo it', async (context) => {
  await using t = await setUp((engine) => {
    engine.run({ id: idOf(1), name: 'dies', ip: '10.0.0.1' });
    engine.run({ id: idOf(9), name: 'slow', ip: '10.0.0.9' });
  });
  await t.feed.start();
  // The list is answered late: held back by a proxy of the call.
  const engine = connectEngine({ host: t.engine.host });
  const gate = Promise.withResolvers<void>();
  let lists = 0;
  const feed = new LiveFeed({
    engine: {
      host: engine.host,
      inspect: (id, signal) => engine.inspect(id, signal),
      events: (since, filters, signal) => engine.events(since, filters, signal),
      engineVersion: () => engine.engineVersion(),
      list: async (signal) => {
        const answer = await engine.list(signal);
        lists += 1;
        if (lists === 2) await gate.promise;
        return answer;
      },
    },
    logger: t.log,
  });
  context.after(() => feed.stop());
  const follower = new Follower(feed);
  await feed.start();
  const refreshed = feed.refresh();
  await t.engine.until(() => t.engine.count('list') === 3);
  t.engine.die(idOf(1));
  t.engine.run({ id: idOf(2), name: 'born', ip: '10.0.0.2' });
  await follower.until(() => follower.names.join() === 'born,slow');
  gate.resolve();
  await refreshed;
  assert.equal(follower.names.join(), 'born,slow');
  assert.deepEqual(follower.told.slice(2), ['-1', '+born']);
});

test('containers that start and die at once leave nothing behind', async () => {
  await using t = await setUp();
  await t.feed.start();
  for (let round = 1; round <= 100; round += 1) {
    t.engine.run({ id: idOf(round), name: `flash-${round}`, ip: '10.0.0.1' });
    t.engine.die(idOf(round));
  }
  t.engine.run({ id: idOf(200), name: 'stays', ip: '10.0.0.1' });
  await t.follower.until(() => t.follower.names.includes('stays'));
  await t.feed.refresh();
  assert.deepEqual(t.follower.names, ['stays']);
});

test('event lines may be split anywhere or come many in a chunk', async () => {
  await using t = await setUp();
  await t.feed.start();
  for (const id of [1, 2, 3]) {
    t.engine.containers.set(idOf(id), { id: idOf(id), name: `ü-${id}`, ip: `10.0.0.${id}` });
  }
  const event = (id: number) =>
    JSON.stringify({
      Type: 'container',
      Action: 'start',
      Actor: { ID: idOf(id), Attributes: { name: `ü-${id}` } },
    });
  const bytes = Buffer.from(`${event(1)}\n${event(2)}\n\n${event(3)}\n`);
  // Each byte a chunk, so that the two bytes of ü fall apart too.
  for (const byte of bytes.subarray(0, -20)) t.engine.write(Buffer.from([byte]));
  t.engine.write(bytes.subarray(-20));
  await t.follower.until(() => t.follower.names.length === 3);
});

test('a cut stream keeps the snapshot; after the reconnection exactly the differences are told', async () => {
  await using t = await setUp((engine) => {
    for (const id of [1, 2, 3]) engine.run({ id: idOf(id), name: `web-${id}`, ip: `10.0.0.${id}` });
  });
  await t.feed.start();
  t.follower.changes.length = 0;
  await t.engine.close();
  t.engine.containers.delete(idOf(1));
  t.engine.containers.set(idOf(2), { id: idOf(2), name: 'web-2', ip: '10.0.0.22' });
  t.engine.containers.set(idOf(4), { id: idOf(4), name: 'web-4', ip: '10.0.0.4' });
  assert.equal(t.feed.containers.size, 3);
  await t.engine.listen();
  await t.follower.until(() => t.follower.changes.length === 3);
  await t.engine.until(() => t.engine.openStreams === 1);
  assert.deepEqual(t.follower.told.sort(), ['+web-2', '+web-4', '-1']);
  assert.deepEqual(t.follower.names, ['web-2', 'web-3', 'web-4']);
  t.engine.run({ id: idOf(5), name: 'web-5', ip: '10.0.0.5' });
  await t.follower.until(() => t.follower.names.includes('web-5'));
  assert.equal(t.log.at('warn').length, 1, t.log.at('warn').join('\n'));
  assert.match(t.log.at('warn')[0] ?? '', /event stream: .*3 known containers stay/);
  assert.equal(t.log.at('info').length, 1);
});

test('an outage that lasts is told once more, with what may be wrong', async () => {
  await using engine = await FakeEngine.listen();
  const log = new RecordingLogger();
  const backoff = { next: () => 1, reset() {} };
  const feed = new LiveFeed({ engine: connectEngine({ host: engine.host }), logger: log, backoff });
  await feed.start();
  await engine.close();
  await log.line(({ level, message }) => level === 'warn' && /there is no socket; mount it/.test(message));
  await log.line(({ level }) => level === 'debug');
  await engine.listen();
  await log.line(({ level, message }) => level === 'info' && /following again/.test(message));
  assert.equal(log.at('warn').length, 2, log.at('warn').join('\n'));
  await feed.stop();
});

test('a stream that cannot be read is given up and opened again', async () => {
  await using t = await setUp();
  await t.feed.start();
  t.engine.write('{"Type": nonsense\n');
  await t.engine.until(() => t.engine.count('events') === 2 && t.engine.count('list') === 2);
  t.engine.run({ id: idOf(1), name: 'web', ip: '10.0.0.1' });
  await t.follower.until(() => t.follower.names.includes('web'));
  assert.match(t.log.at('warn')[0] ?? '', /cannot be read/);
});

test('one container whose inspection hangs does not keep the others away, and is tried again', async () => {
  await using t = await setUp((engine) => {
    for (const id of [1, 2]) engine.run({ id: idOf(id), name: `web-${id}`, ip: `10.0.0.${id}` });
    engine.faults.set(`inspect ${idOf(1)}`, 'hang');
  }, 200);
  await t.feed.start();
  assert.deepEqual(t.follower.names, ['web-2']);
  assert.match(t.log.at('warn')[0] ?? '', /inspecting container 000000000000: no answer within 200 ms/);
  t.engine.faults.clear();
  await t.follower.until(() => t.follower.names.length === 2);
});

test('start fails with ERR_DOCKER, and leaves nothing, where the first listing fails', async (t) => {
  for (const [call, fault, message] of [
    ['list', 500, /listing the containers: .*made to fail/],
    ['list', 'hang', /no answer within 200 ms/],
    ['list', 'cut', /no answer within 200 ms/],
    ['list', 'garbage', /expected a list of containers/],
    ['inspect', 500, /inspecting container .*made to fail/],
    ['inspect', 'garbage', /expected a container/],
    ['events', 500, /opening the event stream/],
    ['events', 'hang', /no answer within 200 ms/],
  ] as const) {
    await t.test(`${call}: ${fault}`, async () => {
      await using t = await setUp((engine) => {
        engine.run({ id: idOf(1), name: 'web', ip: '10.0.0.1' });
        engine.faults.set(call, fault);
      }, 200);
      await assert.rejects(t.feed.start(), (thrown: unknown) => {
        assert.ok(thrown instanceof AppError);
        assert.equal(thrown.code, 'ERR_DOCKER');
        assert.match(thrown.message, message);
        return true;
      });
      await t.engine.until(() => t.engine.openSockets === 0);
    });
  }
});

test('refresh finds what no event has told, asks only about differences, and is shared', async () => {
  await using t = await setUp((engine) => engine.run({ id: idOf(1), name: 'known', ip: '10.0.0.1' }));
  await t.feed.start();
  t.engine.containers.set(idOf(2), { id: idOf(2), name: 'silent', ip: '10.0.0.2' });
  await Promise.all([t.feed.refresh(), t.feed.refresh(), t.feed.refresh()]);
  assert.deepEqual(t.follower.names, ['known', 'silent']);
  assert.equal(t.engine.count('list'), 2);
  assert.equal(t.engine.count('inspect'), 2);
  t.engine.containers.delete(idOf(2));
  t.engine.containers.set(idOf(1), { id: idOf(1), name: 'known', ip: '10.0.0.11' });
  await t.feed.refresh();
  assert.deepEqual(t.feed.containers.get(idOf(1))?.networks[0]?.addresses, ['10.0.0.11']);
  assert.deepEqual(t.follower.told, ['+known', '+silent', '-2', '+known']);
});

test('refresh fails with ERR_DOCKER where the engine is gone; the snapshot stays', async () => {
  await using t = await setUp((engine) => engine.run({ id: idOf(1), name: 'web', ip: '10.0.0.1' }));
  await t.feed.start();
  await t.engine.close();
  await assert.rejects(t.feed.refresh(), { code: 'ERR_DOCKER' });
  assert.deepEqual(t.follower.names, ['web']);
});

test('not more than eight inspections at a time', async () => {
  await using t = await setUp((engine) => {
    for (let id = 1; id <= 30; id += 1) engine.run({ id: idOf(id), name: `web-${id}`, ip: `10.0.0.${id}` });
  });
  const gates = [...t.engine.containers.keys()].map((id) => t.engine.hold(id));
  const starting = t.feed.start();
  await t.engine.until(() => t.engine.count('inspect') === 8);
  // A ninth would have come before the answer to this call.
  await connectEngine({ host: t.engine.host }).engineVersion();
  assert.equal(t.engine.count('inspect'), 8);
  for (const open of gates) open();
  await starting;
  assert.equal(t.feed.containers.size, 30);
});

test('after stop nothing is told and no connection is left, whatever was under way', async () => {
  await using t = await setUp();
  await t.feed.start();
  const open = t.engine.hold(idOf(1));
  t.engine.run({ id: idOf(1), name: 'web', ip: '10.0.0.1' });
  await t.engine.until(() => t.engine.count('inspect') === 1);
  t.engine.faults.set('list', 'hang');
  const refreshing = assert.rejects(t.feed.refresh(), { code: 'ERR_DOCKER' });
  await t.engine.until(() => t.engine.count('list') === 2);
  await t.feed.stop();
  await t.feed.stop();
  open();
  await refreshing;
  await t.engine.until(() => t.engine.openSockets === 0);
  assert.deepEqual(t.follower.told, []);
});

test('stop ends the waiting for a reconnection', async () => {
  await using t = await setUp();
  await t.feed.start();
  await t.engine.close();
  await t.feed.stop();
  await t.engine.listen();
  assert.equal(t.engine.count('events'), 1);
});

test('a health check that passes or fails is told', async () => {
  await using t = await setUp();
  t.engine.run({ id: idOf(1), name: 'web-1', ip: '10.0.0.1', health: 'starting' });
  await t.feed.start();
  const health = () => t.feed.containers.get(idOf(1))?.health;
  assert.equal(health(), 'starting');
  for (const now of ['healthy', 'unhealthy'] as const) {
    t.engine.change(idOf(1), { health: now }, `health_status: ${now}`);
    await t.follower.until(() => health() === now);
  }
});
