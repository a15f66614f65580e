import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Source } from '../../../src/backend/backend.ts';
import { parseDescriptor } from '../../../src/backend/parse.ts';
import { endpoint } from '../../../src/core/endpoint.ts';
import { AppError } from '../../../src/core/errors.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { fail, ok } from '../../../src/core/result.ts';
import type { OnUpdate, Resolver } from '../../../src/discovery/resolver.ts';
import { SourceWatches } from '../../../src/discovery/source-watches.ts';
import { FakeSleep } from '../../support/fake-sleep.ts';
import { settle, Updates } from '../../support/updates.ts';

const source = (text: string): Source => {
  const parsed = parseDescriptor(text);
  assert.ok(parsed.ok);
  return parsed.value.source;
};
const redis = () => source('redis:6379');
const set = (...ips: string[]) => ok(ips.map((ip) => endpoint(ip, 80)));
const outage = fail(new AppError('ERR_RESOLVE_FAILED', 'no answer'));

/** A resolver whose watches the test holds. */
class HeldResolver implements Resolver {
  readonly watches: { source: Source; tell: OnUpdate; signal: AbortSignal }[] = [];
  watch(watched: Source, tell: OnUpdate, signal: AbortSignal): void {
    this.watches.push({ source: watched, tell, signal });
  }
  tell(update: Parameters<OnUpdate>[0]): void {
    this.watches.at(-1)?.tell(update);
  }
}

function bench(resolver: Resolver = new HeldResolver()) {
  const held = resolver as HeldResolver;
  const time = new FakeSleep();
  const errors: string[] = [];
  const logger = { ...silentLogger, error: (message: string) => errors.push(message) };
  const watches = new SourceWatches({ resolvers: { static: resolver }, logger, sleep: time.sleep });
  return { held, time, errors, watches };
}

describe('shared watches', () => {
  it('are one a source, however many follow it', async () => {
    const { held, watches } = bench();
    const [first, second] = [new Updates(), new Updates()];
    watches.follow(redis(), first.onUpdate);
    watches.follow(redis(), second.onUpdate);
    watches.follow(source('other:1'), () => {});
    assert.deepEqual(
      held.watches.map((watch) => watch.source),
      [redis(), source('other:1')],
    );
    await settle();
    held.watches[0]?.tell(set('10.0.0.1'));
    assert.deepEqual([await first.text(), await second.text()], ['10.0.0.1:80', '10.0.0.1:80']);
  });

  it('tell a later follower what is known: the set, and the error since', async () => {
    const { held, watches } = bench();
    watches.follow(redis(), () => {});
    held.tell(outage);
    held.tell(set('10.0.0.1'));
    const second = new Updates();
    watches.follow(redis(), second.onUpdate);
    assert.equal(second.count, 0, 'not synchronously');
    await settle();
    assert.equal(second.count, 1);
    assert.equal(await second.text(), '10.0.0.1:80');
    held.tell(outage);
    const third = new Updates();
    watches.follow(redis(), third.onUpdate);
    assert.deepEqual([await third.text(), await third.text()], ['10.0.0.1:80', 'ERR_RESOLVE_FAILED']);
  });

  it('tell a follower each thing once, in order, when an update comes between', async () => {
    const { held, watches } = bench();
    watches.follow(redis(), () => {});
    held.tell(set('10.0.0.1'));
    const late = new Updates();
    watches.follow(redis(), late.onUpdate);
    held.tell(outage);
    await settle();
    assert.deepEqual([await late.text(), await late.text()], ['10.0.0.1:80', 'ERR_RESOLVE_FAILED']);
    assert.equal(late.unread, 0);
  });

  it('tell nothing after the release, and releasing twice is releasing once', async () => {
    const { held, watches } = bench();
    const [stays, leaves, never] = [new Updates(), new Updates(), new Updates()];
    watches.follow(redis(), stays.onUpdate);
    const release = watches.follow(redis(), leaves.onUpdate);
    held.tell(set('10.0.0.1'));
    await settle();
    release();
    release();
    watches.follow(redis(), never.onUpdate)();
    held.tell(set('10.0.0.2'));
    await settle();
    assert.deepEqual([stays.count, leaves.count, never.count], [2, 1, 0]);
    assert.equal(held.watches[0]?.signal.aborted, false);
  });

  it('tell nothing to a follower that another one releases while it is told', async () => {
    const { held, watches } = bench();
    let release = () => {};
    watches.follow(redis(), () => release());
    const second = new Updates();
    release = watches.follow(redis(), second.onUpdate);
    await settle();
    held.tell(set('10.0.0.1'));
    assert.equal(second.count, 0);
  });

  it('end thirty seconds after the last follower has left', async () => {
    const { held, time, watches } = bench();
    const [first, second] = [watches.follow(redis(), () => {}), watches.follow(redis(), () => {})];
    first();
    assert.deepEqual(time.pending, []);
    second();
    const wait = await time.wait(30_000);
    assert.equal(held.watches[0]?.signal.aborted, false);
    wait.wake();
    await settle();
    assert.equal(held.watches[0]?.signal.aborted, true);
    const again = new Updates();
    watches.follow(redis(), again.onUpdate);
    await settle();
    assert.deepEqual([held.watches.length, again.count], [2, 0]);
  });

  it('are still warm for a follower who comes back in time', async () => {
    const { held, time, watches } = bench();
    watches.follow(redis(), () => {})();
    held.tell(set('10.0.0.1'));
    const back = new Updates();
    const release = watches.follow(redis(), back.onUpdate);
    assert.equal(await back.text(), '10.0.0.1:80');
    assert.deepEqual([held.watches.length, time.pending], [1, []]);
    await settle();
    assert.equal(held.watches[0]?.signal.aborted, false);
    release();
    (await time.wait(30_000)).wake();
    await settle();
    assert.equal(held.watches[0]?.signal.aborted, true);
  });

  it('stop all at once, for good', async () => {
    const { held, time, watches } = bench();
    const follower = new Updates();
    const release = watches.follow(redis(), follower.onUpdate);
    watches.follow(source('other:1'), follower.onUpdate)();
    await settle();
    watches.stop();
    watches.stop();
    assert.ok(held.watches.length === 2 && held.watches.every(({ signal }) => signal.aborted));
    held.tell(set('10.0.0.1'));
    release();
    watches.follow(redis(), follower.onUpdate)();
    await settle();
    assert.deepEqual([follower.count, time.pending, held.watches.length], [0, [], 2]);
  });
});

describe('shared watches, faults', () => {
  for (const [text, what] of [
    ['etcd://10.0.0.1/db', 'etcd:// is not in this build: etcd://10.0.0.1:2379/db'],
    ['db.example', 'a name without a port (SRV) is not in this build: db.example'],
  ] as const) {
    it(`refuse what has no resolver: ${text}`, async () => {
      const { watches } = bench();
      const [first, second] = [new Updates(), new Updates()];
      watches.follow(source(text), first.onUpdate);
      assert.equal(first.count, 0);
      watches.follow(source(text), second.onUpdate);
      for (const follower of [first, second]) {
        const update = await follower.next();
        assert.ok(!update.ok);
        assert.deepEqual([update.error.code, update.error.message], ['ERR_NOT_IN_BUILD', what]);
      }
    });
  }

  it('outlive a resolver that throws', async () => {
    const held = new HeldResolver();
    const moody: Resolver = {
      watch(watched, tell, signal) {
        if (watched.kind === 'static' && watched.endpoints[0]?.host === 'bad') throw new TypeError('broken');
        held.watch(watched, tell, signal);
      },
    };
    const { errors, watches } = bench(moody);
    const [bad, good] = [new Updates(), new Updates()];
    watches.follow(source('bad:1'), bad.onUpdate);
    watches.follow(redis(), good.onUpdate);
    assert.equal(await bad.text(), 'ERR_RESOLVE_FAILED');
    held.tell(set('10.0.0.1'));
    assert.equal(await good.text(), '10.0.0.1:80');
    assert.deepEqual(errors, ['bad:1: the resolver failed: broken']);
  });

  it('keep their word about a resolver that answers synchronously, and after the end', async () => {
    let late: OnUpdate = () => {};
    const hasty: Resolver = {
      watch(_source, tell) {
        late = tell;
        tell(set('10.0.0.1'));
      },
    };
    const { watches } = bench(hasty);
    const follower = new Updates();
    watches.follow(redis(), follower.onUpdate);
    assert.equal(follower.count, 0);
    assert.equal(await follower.text(), '10.0.0.1:80');
    watches.stop();
    late(set('10.0.0.2'));
    await settle();
    assert.equal(follower.count, 1);
  });

  it('tell the others where one follower throws', async () => {
    const { held, errors, watches } = bench();
    const good = new Updates();
    watches.follow(redis(), () => {
      throw new TypeError('broken');
    });
    watches.follow(redis(), good.onUpdate);
    await settle();
    held.tell(set('10.0.0.1'));
    assert.equal(await good.text(), '10.0.0.1:80');
    assert.deepEqual(errors, ['redis:6379: an update was not taken: broken']);
  });
});
