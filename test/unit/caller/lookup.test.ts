import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { Callers } from '../../../src/caller/callers.ts';
import { FeedLookup } from '../../../src/caller/lookup.ts';
import { AppError } from '../../../src/core/errors.ts';
import { RecordingLogger } from '../../support/recording-logger.ts';
import { container, FakeFeed } from '../docker/fake-feed.ts';

async function setUp() {
  mock.timers.enable({ apis: ['setTimeout'] });
  const feed = new FakeFeed();
  const log = new RecordingLogger();
  const callers = new Callers({ feed, logger: log, allowLocalTargets: false });
  await callers.start();
  const lookup = new FeedLookup({ callers, feed, logger: log });
  return {
    feed,
    log,
    lookup,
    async [Symbol.asyncDispose]() {
      lookup.stop();
      await callers.stop();
      mock.timers.reset();
    },
  };
}

/** Lets the clock run in small steps, with the promises of each step settled. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 10) {
    mock.timers.tick(10);
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
  }
}

/** The promise's value if it has one by now. */
async function settled<T>(promise: Promise<T>): Promise<T | 'waiting'> {
  await pass(0);
  return Promise.race([promise, new Promise<'waiting'>((resolve) => setImmediate(() => resolve('waiting')))]);
}

test('a known address needs no reading', async () => {
  await using t = await setUp();
  t.feed.present(container());
  assert.equal(await t.lookup.resolve('10.0.0.1'), true);
  assert.equal(t.feed.refreshes, 0);
});

test('one reading at once serves all who wait', async () => {
  await using t = await setUp();
  t.feed.onRefresh = () => t.feed.present(container());
  const answers = Promise.all([t.lookup.resolve('10.0.0.1'), t.lookup.resolve('10.0.0.1')]);
  assert.deepEqual(await answers, [true, true]);
  assert.equal(t.feed.refreshes, 1);
});

test('an event that brings the address releases its waiters at once, and only them', async () => {
  await using t = await setUp();
  t.feed.onRefresh = () => new Promise(() => {});
  const [one, other] = [t.lookup.resolve('10.0.0.1'), t.lookup.resolve('10.0.0.2')];
  assert.equal(await settled(one), 'waiting');
  t.feed.present(container());
  assert.equal(await one, true);
  assert.equal(await settled(other), 'waiting');
});

test('the list is read again at growing gaps, then the address is unknown', async () => {
  await using t = await setUp();
  const answer = t.lookup.resolve('10.0.0.1');
  const readings: number[] = [];
  for (let passed = 0; passed < 990; passed += 10) {
    await pass(10);
    if (t.feed.refreshes > readings.length) readings.push(passed + 10);
  }
  assert.equal(readings.length, 4, readings.join());
  assert.equal(await settled(answer), 'waiting');
  await pass(20);
  assert.equal(await answer, false);
  await pass(2_000);
  assert.equal(t.feed.refreshes, 4);
});

test('a container that the list shows only later is found', async () => {
  await using t = await setUp();
  t.feed.onRefresh = () => {
    if (t.feed.refreshes === 3) t.feed.present(container());
  };
  const answer = t.lookup.resolve('10.0.0.1');
  await pass(300);
  assert.equal(await answer, true);
});

test('many unknown addresses do not make many readings', async () => {
  await using t = await setUp();
  const answers: Promise<boolean>[] = [];
  for (let at = 0; at < 100; at += 1) {
    answers.push(t.lookup.resolve(`10.0.1.${at}`));
    await pass(10);
  }
  await pass(1_100);
  assert.ok((await Promise.all(answers)).every((isKnown) => !isKnown));
  // 2 s, with a rest of 50 ms after each reading.
  assert.ok(t.feed.refreshes <= 41, `${t.feed.refreshes} readings`);
});

test('a reading that fails is no end of the waiting', async () => {
  await using t = await setUp();
  t.feed.onRefresh = () => {
    if (t.feed.refreshes === 1) throw new AppError('ERR_DOCKER', 'engine gone');
    t.feed.present(container());
  };
  const answer = t.lookup.resolve('10.0.0.1');
  await pass(100);
  assert.equal(await answer, true);
  assert.deepEqual(t.log.at('debug'), ['caller look-up: engine gone']);
});

test('the waiters are bounded; the one above is answered at once', async () => {
  await using t = await setUp();
  const waiting = Array.from({ length: 1_024 }, (_, at) => t.lookup.resolve(`10.1.${at >> 8}.${at & 255}`));
  assert.equal(await settled(t.lookup.resolve('10.9.9.9')), false);
  assert.equal(await settled(waiting[0] ?? Promise.resolve(false)), 'waiting');
});

test('stop answers everybody; later questions are answered at once', async () => {
  await using t = await setUp();
  const answer = t.lookup.resolve('10.0.0.1');
  t.lookup.stop();
  assert.equal(await answer, false);
  assert.equal(await settled(t.lookup.resolve('10.0.0.1')), false);
  const before = t.feed.refreshes;
  await pass(2_000);
  assert.equal(t.feed.refreshes, before);
});
