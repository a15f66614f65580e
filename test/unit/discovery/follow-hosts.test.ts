import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { silentLogger } from '../../../src/core/log.ts';
import { followHosts } from '../../../src/discovery/follow-hosts.ts';
import type { NamedEndpoint } from '../../../src/discovery/named-endpoint.ts';
import { FakeAddresses } from '../../support/fake-addresses.ts';
import { FakeSleep } from '../../support/fake-sleep.ts';
import { resourcesNow } from '../../support/resources.ts';
import { settle, Updates } from '../../support/updates.ts';

/** `host` or `host!priority`, all at port 80. */
const list = (...texts: string[]): NamedEndpoint[] =>
  texts.map((text) => {
    const [host = '', priority = '0'] = text.split('!');
    return { host, port: 80, name: `n-${host}`, weight: 3, priority: Number(priority), tags: ['t'] };
  });

function bench(table: ConstructorParameters<typeof FakeAddresses>[0]) {
  const addresses = new FakeAddresses(table);
  const time = new FakeSleep();
  const end = new AbortController();
  const updates = new Updates();
  const follow = followHosts({ addresses, logger: silentLogger, sleep: time.sleep });
  return { addresses, time, updates, end, set: follow(updates.onUpdate, end.signal) };
}

describe('hosts of a changing list', () => {
  it('keep what the list says of each, in the order of the list within a priority', async () => {
    const on = bench({ db: ['10.0.0.1', '10.0.0.2'] });
    on.set(list('10.0.0.9!1', 'db', '10.0.0.5'));
    assert.equal(on.updates.count, 0, 'never synchronously');
    const update = await on.updates.next();
    assert.ok(update.ok);
    const rest = { port: 80, weight: 3, tags: ['t'] };
    assert.deepEqual(update.value, [
      { ip: '10.0.0.1', name: 'n-db', priority: 0, ...rest },
      { ip: '10.0.0.2', name: 'n-db', priority: 0, ...rest },
      { ip: '10.0.0.5', name: 'n-10.0.0.5', priority: 0, ...rest },
      { ip: '10.0.0.9', name: 'n-10.0.0.9', priority: 1, ...rest },
    ]);
    on.end.abort();
  });

  it('that stay in the list are not asked for again; those that leave are given up', async () => {
    const on = bench({ a: ['10.0.0.1'], b: ['10.0.0.2'], c: ['10.0.0.3'] });
    on.set(list('a', 'b'));
    assert.equal(await on.updates.text(), '10.0.0.1:80 10.0.0.2:80');
    assert.deepEqual(on.time.pending, [60_000, 60_000]);
    on.set(list('b', 'c'));
    assert.equal(await on.updates.text(), '10.0.0.2:80');
    assert.equal(await on.updates.text(), '10.0.0.2:80 10.0.0.3:80');
    await settle();
    assert.deepEqual(on.addresses.asked, ['a', 'b', 'c']);
    assert.deepEqual(on.time.pending, [60_000, 60_000]);
    on.end.abort();
    assert.deepEqual(on.time.pending, []);
  });

  it('that are new and pending cost the known ones nothing', async () => {
    const on = bench({ a: ['10.0.0.1'], late: 'silent' });
    on.set(list('a'));
    assert.equal(await on.updates.text(), '10.0.0.1:80');
    on.set(list('10.0.0.9', 'a', 'late'));
    assert.equal(await on.updates.text(), '10.0.0.9:80 10.0.0.1:80');
    on.addresses.answer('late', ['10.0.0.7']);
    assert.equal(await on.updates.text(), '10.0.0.9:80 10.0.0.1:80 10.0.0.7:80');
    on.end.abort();
  });

  it('that all are new leave the set as it was until one is known', async () => {
    const on = bench({ blue: ['10.0.0.1'], green: 'silent' });
    on.set(list('blue'));
    assert.equal(await on.updates.text(), '10.0.0.1:80');
    on.set(list('green'));
    await settle();
    assert.equal(on.updates.count, 1);
    on.addresses.answer('green', ['10.0.0.2']);
    assert.equal(await on.updates.text(), '10.0.0.2:80');
    on.end.abort();
  });

  it('that all are new and fail, or do not answer in 3 s, are an error, and the set when they do', async () => {
    const on = bench({ blue: ['10.0.0.1'], green: 'silent' });
    on.set(list('blue'));
    assert.equal(await on.updates.text(), '10.0.0.1:80');
    on.set(list('green'));
    (await on.time.wait(3000)).wake();
    assert.equal(await on.updates.text(), 'ERR_RESOLVE_FAILED');
    on.addresses.answer('green', 'failed');
    await on.time.wait([800, 1200]);
    assert.equal(on.updates.count, 2);
    on.set(list('blue'));
    assert.equal(await on.updates.text(), '10.0.0.1:80', 'the same set again, after the error');
    on.end.abort();
  });

  it('are waited for 3 s in all, however many lists come before the first set', async () => {
    const on = bench({ a: 'silent', b: 'silent', c: ['10.0.0.3'] });
    on.set(list('a'));
    const wait = await on.time.wait(3000);
    on.set(list('a', 'b'));
    on.set(list('b', 'c'));
    await settle();
    assert.equal(on.updates.count, 0);
    assert.deepEqual(
      on.time.pending.filter((ms) => ms === 3000),
      [3000],
    );
    wait.wake();
    assert.equal(await on.updates.text(), '10.0.0.3:80');
    on.end.abort();
  });

  it('that are pending when the list loses them end the wait', async () => {
    const on = bench({ a: ['10.0.0.1'], b: 'silent' });
    on.set(list('a', 'b'));
    await on.time.wait(3000);
    on.set(list('a'));
    assert.equal(await on.updates.text(), '10.0.0.1:80');
    on.end.abort();
  });

  it('of a list that comes as the last name answers are waited for too', async () => {
    // Whenever the list comes, between the answer and its update: no error, and nothing that is not in the list.
    for (let turns = 0; turns < 12; turns++) {
      const on = bench({ a: 'silent', b: 'silent' });
      on.set(list('a'));
      await on.time.wait(3000);
      on.addresses.answer('a', ['10.0.0.1']);
      for (let turn = 0; turn < turns; turn++) await undefined;
      const toldBefore = on.updates.count;
      on.set(list('b'));
      await settle();
      assert.equal(on.updates.count, toldBefore, `nothing before the answer (${turns})`);
      on.addresses.answer('b', ['10.0.0.2']);
      if (toldBefore > 0) assert.equal(await on.updates.text(), '10.0.0.1:80');
      assert.equal(await on.updates.text(), '10.0.0.2:80');
      on.end.abort();
    }
  });
});

describe('an empty list', () => {
  it('is a set, at first and later', async () => {
    const on = bench({ a: ['10.0.0.1'] });
    on.set([]);
    assert.equal(await on.updates.text(), 'nothing');
    on.set(list('a'));
    assert.equal(await on.updates.text(), '10.0.0.1:80');
    on.set([]);
    assert.equal(await on.updates.text(), 'nothing');
    on.end.abort();
  });
});

describe('hosts, the end', () => {
  it('lists in quick succession are told as the last one', async () => {
    const on = bench({});
    on.set(list('10.0.0.1'));
    on.set(list('10.0.0.2'));
    assert.equal(await on.updates.text(), '10.0.0.2:80');
    on.set(list('10.0.0.2'));
    await settle();
    assert.equal(on.updates.count, 1, 'an equal list is no change');
    on.end.abort();
  });

  it('nothing is told after the abort, and nothing is left open', async () => {
    const backToStart = await resourcesNow();
    const addresses = new FakeAddresses({ a: ['10.0.0.1'], b: 'silent' });
    const follow = followHosts({ addresses, logger: silentLogger });
    const end = new AbortController();
    const updates = new Updates();
    const set = follow(updates.onUpdate, end.signal);
    set(list('a', 'b'));
    await settle();
    end.abort();
    set(list('10.0.0.9'));
    follow(updates.onUpdate, AbortSignal.abort())(list('a'));
    await settle();
    assert.equal(updates.count, 0);
    assert.deepEqual(addresses.asked, ['a', 'b']);
    await backToStart();
  });
});
