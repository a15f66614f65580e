import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { LostKeys } from '../../../../src/discovery/directory/lost-keys.ts';

const all = (...keys: string[]) => new Map(keys.map((key) => [key, `value of ${key}`]));
const names = (values: ReadonlyMap<string, string>) => [...values.keys()].sort().join();

beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
afterEach(() => mock.timers.reset());

test('what a reading misses stays for a while; what a change removes does not', () => {
  const over: string[] = [];
  const lost = new LostKeys(1000, (root) => over.push(root));
  lost.onRead('/apps', all('a', 'b'), undefined);
  assert.equal(names(lost.complete('/apps', all('a', 'b'))), 'a,b');
  lost.onChanged('/apps', ['b']);
  assert.equal(names(lost.complete('/apps', all('a'))), 'a');
  lost.onRead('/apps', all(), all('a'));
  assert.equal(names(lost.complete('/apps', all())), 'a');
  assert.equal(names(lost.complete('/services', all('c'))), 'c');
  mock.timers.tick(999);
  assert.deepEqual(over, []);
  mock.timers.tick(1);
  assert.deepEqual(over, ['/apps']);
  assert.equal(names(lost.complete('/apps', all())), '');
});

test('a key that is written or removed is no longer lost', () => {
  const lost = new LostKeys(1000, () => {});
  lost.onRead('/apps', all(), all('a', 'b', 'c'));
  lost.onChanged('/apps', ['a']);
  assert.equal(names(lost.complete('/apps', all('a'))), 'a,b,c');
  lost.onChanged('/apps', ['a']);
  assert.equal(names(lost.complete('/apps', all())), 'b,c');
  // Written and removed before anybody has looked.
  lost.onChanged('/apps', ['b']);
  assert.equal(names(lost.complete('/apps', all())), 'c');
  lost.stop();
});

test('a second outage begins the time anew; after the end nothing is told', () => {
  const over: string[] = [];
  const lost = new LostKeys(1000, (root) => over.push(root));
  lost.onRead('/apps', all(), all('a'));
  mock.timers.tick(900);
  lost.onRead('/apps', all(), all('a'));
  mock.timers.tick(900);
  assert.deepEqual(over, []);
  lost.stop();
  mock.timers.tick(5000);
  assert.deepEqual(over, []);
});
