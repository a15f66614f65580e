import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CallerChange } from '../../../src/caller/caller.ts';
import { Callers } from '../../../src/caller/callers.ts';
import type { Container } from '../../../src/docker/container.ts';
import { RecordingLogger } from '../../support/recording-logger.ts';
import { container, FakeFeed } from '../docker/fake-feed.ts';

async function setUp(...present: Container[]) {
  const feed = new FakeFeed();
  for (const found of present) feed.present(found);
  const log = new RecordingLogger();
  const callers = new Callers({ feed, logger: log, allowLocalTargets: false });
  await callers.start();
  const changes: CallerChange[] = [];
  callers.subscribe((change) => changes.push(change));
  const told = () =>
    changes
      .splice(0)
      .map((change) =>
        change.kind === 'caller'
          ? `${change.caller.name}@${change.caller.addresses.join()}`
          : `-${change.id}`,
      );
  return { feed, log, callers, changes, told };
}

test('a subscription begins with the callers that there are, with and without routes', async () => {
  const t = await setUp(
    container({ id: 'c1', name: 'a', env: [['BACKEND_80', 'x:1']] }),
    container({ id: 'c2', name: 'b', addresses: ['10.0.0.2'] }),
  );
  assert.deepEqual([...(t.callers.all().get('c1')?.routes.keys() ?? [])], [80]);
  assert.equal(t.callers.all().get('c2')?.routes.size, 0);
  assert.equal(t.callers.find('10.0.0.2')?.name, 'b');
  assert.deepEqual(t.told(), ['a@10.0.0.1', 'b@10.0.0.2']);
});

test('every address of every network', async () => {
  const t = await setUp(
    container({
      name: 'a',
      networks: [
        { id: 'n1', name: 'one', addresses: ['10.1.0.1', 'fd00::1'] },
        { id: 'n2', name: 'two', addresses: ['10.2.0.1'] },
      ],
    }),
  );
  assert.deepEqual(t.told(), ['a@10.1.0.1,fd00::1,10.2.0.1']);
  for (const ip of ['10.1.0.1', 'fd00::1', '10.2.0.1']) assert.equal(t.callers.find(ip)?.id, 'c1');
});

test('only real changes are told', async () => {
  const t = await setUp(container({ name: 'a' }));
  t.told();
  t.feed.present(container({ name: 'a', state: 'paused' }));
  t.feed.present(container({ name: 'a' }));
  assert.deepEqual(t.told(), []);
  t.feed.present(container({ name: 'b' }));
  t.feed.present(container({ name: 'b', addresses: ['10.0.0.9'] }));
  assert.deepEqual(t.told(), ['b@10.0.0.1', 'b@10.0.0.9']);
  assert.equal(t.callers.find('10.0.0.1'), undefined);
  t.feed.gone('c1');
  t.feed.gone('c1');
  assert.deepEqual(t.told(), ['-c1']);
  assert.equal(t.callers.find('10.0.0.9'), undefined);
});

test('a container in another one’s network, or the host’s, has no entry', async () => {
  const t = await setUp(
    container({ id: 'c1', networkMode: 'container:c2', addresses: [], env: [['BACKEND_80', 'bad']] }),
    container({ id: 'c2', networkMode: 'host', addresses: [] }),
  );
  assert.equal(t.callers.all().size, 0);
  t.feed.gone('c1');
  assert.deepEqual(t.told(), []);
});

test('a container that loses its last network is a caller no more', async () => {
  const t = await setUp(container({ name: 'a' }));
  t.feed.present(container({ name: 'a', addresses: [] }));
  assert.deepEqual(t.told(), ['a@10.0.0.1', '-c1']);
});

test('an address belongs to the container that came with it last, whatever is told of the older one', async () => {
  const t = await setUp(container({ id: 'old', name: 'old', addresses: ['10.0.0.1', '10.1.0.1'] }));
  t.told();
  t.feed.present(container({ id: 'new', name: 'new' }));
  assert.deepEqual(t.told(), ['old@10.1.0.1', 'new@10.0.0.1']);
  t.feed.present(container({ id: 'old', name: 'renamed', addresses: ['10.0.0.1', '10.1.0.1'] }));
  assert.deepEqual(t.told(), ['renamed@10.1.0.1']);
  assert.equal(t.callers.find('10.0.0.1')?.id, 'new');
  t.feed.gone('old');
  assert.deepEqual(t.told(), ['-old']);
  assert.equal(t.callers.find('10.0.0.1')?.id, 'new');
});

test('many rounds of address reuse: never the routes of the one before', async () => {
  const t = await setUp();
  for (let round = 0; round < 500; round += 1) {
    const { id, name } = { id: `c${round}`, name: `n${round}` };
    t.feed.present(container({ id, name, env: [['BACKEND_80', `backend-${round}:80`]] }));
    // The death of the one before is told before or after the new one's start.
    if (round % 2 === 1) t.feed.gone(`c${round - 1}`);
    const route = t.callers.find('10.0.0.1')?.routes.get(80);
    assert.deepEqual(route?.ok && route.value.source, {
      kind: 'static',
      endpoints: [{ host: `backend-${round}`, port: 80 }],
    });
    if (round % 2 === 1) {
      t.feed.gone(id);
      assert.equal(t.callers.find('10.0.0.1'), undefined);
    }
  }
  assert.equal(t.callers.all().size, 0);
});

test('faults of a container are logged once a start, with the right loudness', async () => {
  const env = [
    ['BACKEND_6379', 'redis:'],
    ['BACKEND_URL', 'http://api'],
    ['BACKEND_DB', 'db;'],
  ] as const;
  const t = await setUp(container({ env }));
  const lines = () => t.log.lines.splice(0).map((line) => `${line.level}: ${line.message}`);
  const first = lines();
  assert.equal(first.length, 3);
  assert.match(first[0] ?? '', /^warn: container web-1, BACKEND_6379, column 7: .*; port 6379 is refused$/);
  assert.match(first[1] ?? '', /^info: container web-1, BACKEND_URL: names no port/);
  assert.match(first[2] ?? '', /^warn: container web-1, BACKEND_DB, column 4/);
  t.feed.present(container({ env, state: 'paused' }));
  t.feed.present(container({ env, name: 'web-2' }));
  assert.deepEqual(lines(), []);
  const route = t.callers.find('10.0.0.1')?.routes.get(6379);
  assert.match(route?.ok === false ? route.error.message : '', /container web-2/);
  t.feed.gone('c1');
  t.feed.present(container({ env }));
  assert.equal(lines().length, 3);
});

test('after stop nothing is told and the feed is left', async () => {
  const t = await setUp(container());
  t.told();
  await t.callers.stop();
  await t.callers.stop();
  t.feed.gone('c1');
  assert.deepEqual(t.told(), []);
  assert.equal(t.feed.subscribers, 0);
});

test('another process is another run of the container, with the same name and address', async () => {
  const t = await setUp(container({ name: 'a', pid: 7 }));
  t.told();
  t.feed.present(container({ name: 'a', pid: 7 }));
  assert.deepEqual(t.told(), []);
  t.feed.present(container({ name: 'a', pid: 8 }));
  assert.deepEqual(t.told(), ['a@10.0.0.1']);
  assert.equal(t.callers.find('10.0.0.1')?.pid, 8);
  t.feed.present(container({ name: 'a', pid: 0 }));
  assert.equal(t.callers.find('10.0.0.1')?.pid, undefined);
});
