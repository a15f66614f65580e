import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { readRegistrations } from '../../../../src/discovery/directory/read-registrations.ts';

const apps = new Map([
  ['b.example/2', '10.0.0.2:80'],
  ['a.example/1', '10.0.0.1:80'],
  ['a..b/1', '10.0.0.1:80'],
]);
const applications = new Map([['a.example/3', '10.0.0.3:80']]);
const services = new Map([['db/5432/1', 'nothing']]);

suite('what is registered', () => {
  test('the order in which roots and keys were read does not matter', () => {
    const one = readRegistrations(
      new Map([
        ['/apps', apps],
        ['/applications', applications],
        ['/services', services],
      ]),
    );
    const other = readRegistrations(
      new Map([
        ['/services', services],
        ['/applications', applications],
        ['/apps', new Map([...apps].reverse())],
      ]),
    );
    assert.deepEqual([...one.groups], [...other.groups]);
    assert.deepEqual(one.skipped, other.skipped);
  });

  test('one application of both roots; what cannot be read is told by its key', () => {
    const { groups, skipped } = readRegistrations(
      new Map([
        ['/apps', apps],
        ['/applications', applications],
        ['/services', services],
      ]),
    );
    const counts = [...groups.values()].map(({ registered, endpoints }) => [
      registered.kind,
      endpoints.length,
    ]);
    assert.deepEqual(counts, [
      ['application', 2],
      ['application', 1],
      ['service', 0],
    ]);
    assert.deepEqual(
      skipped.map(({ key }) => key),
      ['/apps/a..b/1', '/services/db/5432/1'],
    );
  });
});
