import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { searchCandidates } from '../../../../src/discovery/dns/search.ts';

const long = 'x'.repeat(60);
const table: readonly (readonly [name: string, search: string[], ndots: number, expected: string[]])[] = [
  ['db', [], 1, ['db']],
  ['db', ['a.example', 'b.example'], 1, ['db.a.example', 'db.b.example', 'db']],
  ['db.prod', ['a.example'], 1, ['db.prod', 'db.prod.a.example']],
  ['db.prod', ['a.example'], 2, ['db.prod.a.example', 'db.prod']],
  ['a.b.c.d.e', ['x.example'], 5, ['a.b.c.d.e.x.example', 'a.b.c.d.e']],
  ['a.b.c.d.e', ['x.example'], 4, ['a.b.c.d.e', 'a.b.c.d.e.x.example']],
  ['db', ['a.example'], 0, ['db', 'db.a.example']],
  ['db.prod.', ['a.example'], 3, ['db.prod']],
  ['db.', ['a.example'], 1, ['db']],
  ['db', ['.', 'a.example.'], 1, ['db', 'db.a.example']],
  [`${long}.${long}.${long}.${long}`, ['longer.example'], 9, [`${long}.${long}.${long}.${long}`]],
];

describe('search list', () => {
  for (const [name, search, ndots, expected] of table) {
    it(`${name.slice(0, 20)} with ndots ${ndots}, search ${search.join(' ') || 'nothing'}`, () =>
      assert.deepEqual(searchCandidates(name, { search, ndots }), expected));
  }
});
