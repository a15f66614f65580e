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
  assert.equal(names(lost.complete('/apps', all('a', 'b'), undefined, true)), 'a,b');
  assert.equal(names(lost.complete('/apps', all('a'), all('a', 'b'), false)), 'a');
  assert.equal(names(lost.complete('/apps', all(), all('a'), true)), 'a');
  mock.timers.tick(999);
  assert.deepEqual(over, []);
  mock.timers.tick(1);
  assert.deepEqual(over, ['/apps']);
  assert.equal(names(lost.complete('/apps', all(), all('a'), false)), '');
});

test('a key that is seen again is no longer lost', () => {
  const lost = new LostKeys(1000, () => {});
  assert.equal(names(lost.complete('/apps', all(), all('a', 'b'), true)), 'a,b');
  assert.equal(names(lost.complete('/apps', all('a'), all('a', 'b'), false)), 'a,b');
  assert.equal(names(lost.complete('/apps', all(), all('a', 'b'), false)), 'b');
  lost.stop();
});

test('a second outage begins the time anew; after the end nothing is told', () => {
  const over: string[] = [];
  const lost = new LostKeys(1000, (root) => over.push(root));
  lost.complete('/apps', all(), all('a'), true);
  mock.timers.tick(900);
  lost.complete('/apps', all(), all('a'), true);
  mock.timers.tick(900);
  assert.deepEqual(over, []);
  lost.stop();
  mock.timers.tick(5000);
  assert.deepEqual(over, []);
});
