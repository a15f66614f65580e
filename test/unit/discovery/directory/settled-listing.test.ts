import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, suite, test } from 'node:test';
import { AppError } from '../../../../src/core/errors.ts';
import { fail, ok } from '../../../../src/core/result.ts';
import type { Listed } from '../../../../src/discovery/directory/directory.ts';
import { SettledListing } from '../../../../src/discovery/directory/settled-listing.ts';

function setUp() {
  const told: string[] = [];
  const end = new AbortController();
  const settled = new SettledListing((update) => {
    told.push(update.ok ? [...update.value.listed.keys()].sort().join() : update.error.message);
  }, end.signal);
  const take = (...domains: string[]) => {
    const listed = domains.map((domain): [string, Listed] => [
      domain,
      { registered: { kind: 'application', domain }, source: { kind: 'srv', name: domain } },
    ]);
    settled.take(ok({ listed: new Map(listed), skipped: [] }));
  };
  return { told, take, end, settled };
}

beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
afterEach(() => mock.timers.reset());

suite('a listing that settles', () => {
  test('new names at once, those that have gone a second later', () => {
    const { told, take } = setUp();
    take('a');
    take('a', 'b');
    take('b');
    mock.timers.tick(999);
    assert.deepEqual(told, ['a', 'a,b', 'a,b']);
    mock.timers.tick(1);
    assert.equal(told.at(-1), 'b');
  });

  test('a name that is back within the second never went', () => {
    const { told, take } = setUp();
    take('a');
    for (let round = 0; round < 5; round++) {
      take();
      mock.timers.tick(900);
      take('a');
    }
    mock.timers.tick(5000);
    assert.deepEqual(new Set(told), new Set(['a']));
  });

  test('an error is told and changes nothing; nothing is told after the end', () => {
    const { told, take, settled, end } = setUp();
    take('a');
    settled.take(fail(new AppError('ERR_RESOLVE_FAILED', 'gone')));
    take();
    end.abort();
    mock.timers.tick(5000);
    assert.deepEqual(told, ['a', 'gone', 'a']);
  });
});
