import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it, mock } from 'node:test';
import fc from 'fast-check';
import type { SourceOf } from '../../../src/backend/backend.ts';
import { sourceKey } from '../../../src/backend/backend.ts';
import { type Endpoint, endpoint, endpointKey } from '../../../src/core/endpoint.ts';
import { AppError } from '../../../src/core/errors.ts';
import { fail, ok } from '../../../src/core/result.ts';
import { limited } from '../../../src/discovery/limited.ts';
import { remembered } from '../../../src/discovery/remembered.ts';
import type { OnUpdate, Resolver } from '../../../src/discovery/resolver.ts';
import { settled } from '../../../src/discovery/settled.ts';
import { SnapshotStore } from '../../../src/discovery/snapshot-store.ts';
import { RecordingLogger } from '../../support/recording-logger.ts';

const source: SourceOf<'srv'> = { kind: 'srv', name: 'redis.service.consul' };
const a = endpoint('10.0.0.1', 80);
const b = endpoint('10.0.0.2', 80);
const outage = new AppError('ERR_RESOLVE_FAILED', 'no answer');

/** Watches a wrapped resolver whose source says what the test says; what is told, as text. */
function watched(wrap: (resolver: Resolver) => Resolver) {
  let tell: OnUpdate = () => assert.fail('not watched');
  const inner: Resolver = {
    watch(_source, onUpdate) {
      tell = onUpdate;
    },
  };
  const told: string[] = [];
  const abort = new AbortController();
  wrap(inner).watch(
    source,
    (update) =>
      void told.push(update.ok ? update.value.map(({ ip }) => ip).join(' ') || 'nothing' : update.error.code),
    abort.signal,
  );
  return {
    told,
    abort,
    set: (...endpoints: Endpoint[]) => tell(ok(endpoints)),
    fail: () => tell(fail(outage)),
    /** What has been told since the last look. */
    take: () => told.splice(0),
  };
}

describe('settled', () => {
  let now = 0;
  beforeEach(() => {
    now = 0;
    mock.timers.enable({ apis: ['setTimeout'] });
    mock.method(performance, 'now', () => now);
  });
  afterEach(() => {
    mock.timers.reset();
    mock.restoreAll();
  });
  const pass = (ms: number) => {
    now += ms;
    mock.timers.tick(ms);
  };

  it('tells the first set at once, and a change after 100 quiet ms', () => {
    const t = watched(settled);
    t.set(a);
    assert.deepEqual(t.take(), ['10.0.0.1']);
    t.set(a, b);
    pass(99);
    assert.deepEqual(t.take(), []);
    pass(1);
    assert.deepEqual(t.take(), ['10.0.0.1 10.0.0.2']);
  });

  it('tells one change for many, and does not wait for more than a second', () => {
    const t = watched(settled);
    t.set(a);
    t.take();
    for (let step = 0; step < 30; step++) {
      t.set(a, endpoint('10.0.1.1', 1000 + step));
      pass(50);
    }
    assert.deepEqual(t.take().length, 1);
    pass(100);
    assert.deepEqual(t.take().length, 1);
    pass(10_000);
    assert.deepEqual(t.take(), []);
  });

  it('does not empty a set for a key that is deleted and rewritten within a second', () => {
    const t = watched(settled);
    t.set(a);
    t.take();
    for (let second = 0; second < 10; second++) {
      t.set();
      pass(900);
      t.set(a);
      pass(100);
    }
    assert.deepEqual(t.take(), []);
  });

  it('empties a set that stays empty for a second', () => {
    const t = watched(settled);
    t.set(a);
    t.take();
    t.set();
    pass(999);
    assert.deepEqual(t.take(), []);
    pass(1);
    assert.deepEqual(t.take(), ['nothing']);
  });

  it('tells an error at once, after the change that came before it, and what follows it at once', () => {
    const t = watched(settled);
    t.set(a);
    t.set(b);
    t.fail();
    assert.deepEqual(t.take(), ['10.0.0.1', '10.0.0.2', 'ERR_RESOLVE_FAILED']);
    t.set(b);
    assert.deepEqual(t.take(), ['10.0.0.2']);
  });

  it('tells nothing after abort', () => {
    const t = watched(settled);
    t.set(a);
    t.set(b);
    t.take();
    t.abort.abort();
    pass(10_000);
    assert.deepEqual(t.take(), []);
  });

  it('ends with the last set, whatever came in between', () => {
    const step = fc.record({ ips: fc.subarray([a, b]), ms: fc.integer({ min: 0, max: 1500 }) });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 20 }), (steps) => {
        const t = watched(settled);
        for (const { ips, ms } of steps) {
          t.set(...ips);
          pass(ms);
        }
        pass(1000);
        assert.equal(
          t.told.at(-1),
          steps
            .at(-1)
            ?.ips.map(({ ip }) => ip)
            .join(' ') || 'nothing',
        );
        for (const [index, text] of t.told.entries()) assert.notEqual(text, t.told[index - 1]);
      }),
    );
  });
});

describe('limited', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
  afterEach(() => mock.timers.reset());

  const setUp = () => {
    const logger = new RecordingLogger();
    return { logger, ...watched((resolver) => limited(resolver, 60_000, logger)) };
  };

  it('gives a set up after that much time of errors alone, and takes the next answer', () => {
    const t = setUp();
    t.set(a);
    t.fail();
    mock.timers.tick(30_000);
    t.fail();
    mock.timers.tick(29_999);
    assert.deepEqual(t.take(), ['10.0.0.1', 'ERR_RESOLVE_FAILED', 'ERR_RESOLVE_FAILED']);
    mock.timers.tick(1);
    assert.deepEqual(t.take(), ['nothing']);
    assert.match(t.logger.at('error')[0] ?? '', /no answer for 1m; .*--max-stale/);
    t.fail();
    mock.timers.tick(100_000);
    t.set(b);
    assert.deepEqual(t.take(), ['ERR_RESOLVE_FAILED', '10.0.0.2']);
  });

  it('begins to count anew after each answer', () => {
    const t = setUp();
    t.set(a);
    t.fail();
    mock.timers.tick(59_999);
    t.set(a);
    t.fail();
    mock.timers.tick(59_999);
    assert.ok(!t.told.includes('nothing'));
  });

  it('keeps no timer after abort', () => {
    const t = setUp();
    t.set(a);
    t.fail();
    t.abort.abort();
    mock.timers.tick(1_000_000);
    assert.ok(!t.told.includes('nothing'));
  });
});

describe('the state directory', () => {
  let root = '';
  let directory = '';
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'nuncio-state-'));
  });
  after(() => rm(root, { recursive: true }));
  beforeEach(async () => {
    directory = join(await mkdtemp(join(root, 'd-')), 'made');
  });

  async function opened(now = Date.now) {
    const logger = new RecordingLogger();
    const store = new SnapshotStore({ directory, logger, now });
    await store.start();
    return { store, logger };
  }

  it('serves what was known before a restart while the source fails, and says so', async () => {
    const first = await opened();
    const before = watched((resolver) => remembered(resolver, first.store, first.logger));
    before.set(a, b);
    await first.store.stop();

    const second = await opened();
    const t = watched((resolver) => remembered(resolver, second.store, second.logger));
    t.fail();
    t.fail();
    assert.deepEqual(t.take(), ['10.0.0.1 10.0.0.2', 'ERR_RESOLVE_FAILED', 'ERR_RESOLVE_FAILED']);
    assert.match(second.logger.at('warn')[0] ?? '', /redis.service.consul: served as it was known at 20/);
    t.set(b);
    t.fail();
    assert.deepEqual(t.take(), ['10.0.0.2', 'ERR_RESOLVE_FAILED']);
    await second.store.stop();
  });

  it('is not asked where the source answers, nor for what is too old', async () => {
    const { store, logger } = await opened();
    store.set(sourceKey(source), [a]);
    const fresh = watched((resolver) => remembered(resolver, store, logger));
    fresh.set(b);
    fresh.fail();
    assert.deepEqual(fresh.told, ['10.0.0.2', 'ERR_RESOLVE_FAILED']);
    const strict = watched((resolver) => remembered(resolver, store, logger, -1));
    strict.fail();
    assert.deepEqual(strict.told, ['ERR_RESOLVE_FAILED']);
    await store.stop();
  });

  it('keeps an authoritative empty set too', async () => {
    const { store } = await opened();
    store.set('k', [a]);
    store.set('k', []);
    await store.stop();
    assert.deepEqual((await opened()).store.get('k')?.endpoints, []);
  });

  it('knows since when each endpoint has been there', async () => {
    let now = 1;
    const { store } = await opened(() => now++);
    store.set('k', [a]);
    store.set('k', [a, b]);
    assert.deepEqual(store.get('k')?.since, { '10.0.0.1:80': 1, '10.0.0.2:80': 2 });
    store.set('k', [b]);
    store.set('k', [a, b]);
    assert.deepEqual(store.get('k')?.since, { '10.0.0.1:80': 4, '10.0.0.2:80': 2 });
    await store.stop();
  });

  it('holds one whole file of this version', async () => {
    const { store } = await opened(() => 5);
    store.set('k', [a]);
    await store.stop();
    await store.stop();
    assert.deepEqual(await readdir(directory), ['endpoints.json']);
    const file = JSON.parse(await readFile(join(directory, 'endpoints.json'), 'utf8'));
    assert.deepEqual(file, {
      version: 1,
      sources: { k: { savedAt: 5, endpoints: [a], since: { '10.0.0.1:80': 5 } } },
    });
  });

  for (const [what, text] of [
    ['garbage', 'not json'],
    ['a half of a file', '{"version":1,"sources":{"k":{"savedAt":5,"endpo'],
    ['another version', '{"version":2,"sources":{}}'],
    [
      'an endpoint without an address',
      '{"version":1,"sources":{"k":{"savedAt":5,"endpoints":[{"port":1}]}}}',
    ],
  ] as const) {
    it(`sets ${what} aside and starts without it`, async () => {
      await (await opened()).store.stop();
      await writeFile(join(directory, 'endpoints.json'), text);
      const { store, logger } = await opened();
      assert.equal(store.get('k'), undefined);
      assert.match(logger.at('error')[0] ?? '', /set aside/);
      assert.equal(await readFile(join(directory, 'endpoints.json.bad'), 'utf8'), text);
      store.set('k', [a]);
      await store.stop();
      assert.equal((await opened()).store.get('k')?.endpoints.map(endpointKey).join(), '10.0.0.1:80');
    });
  }

  it('forgets what nobody has named for 30 days', async () => {
    const { store } = await opened(() => 0);
    store.set('old', [a]);
    await store.stop();
    assert.equal((await opened(() => 31 * 24 * 3_600_000)).store.get('old'), undefined);
    assert.ok((await opened(() => 29 * 24 * 3_600_000)).store.get('old') !== undefined);
  });

  it('that cannot be used is an error that says which flag is meant', async () => {
    await writeFile(join(root, 'file'), '');
    const store = new SnapshotStore({ directory: join(root, 'file', 'x'), logger: new RecordingLogger() });
    await assert.rejects(store.start(), { code: 'ERR_CANNOT_START', message: /--state-dir/ });
  });

  it('that is taken away is told once, and nothing else is lost', async () => {
    const { store, logger } = await opened();
    await rm(directory, { recursive: true });
    store.set('k', [a]);
    await store.stop();
    assert.equal(logger.at('error').length, 1);
    assert.deepEqual(store.get('k')?.endpoints, [a]);
  });
});
