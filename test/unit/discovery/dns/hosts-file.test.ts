import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { canonicalIp } from '../../../../src/core/address.ts';
import { parseHosts } from '../../../../src/discovery/dns/hosts-file.ts';

const table: readonly (readonly [what: string, text: string, expected: Record<string, string[]>])[] = [
  ['nothing', '', {}],
  [
    'what Docker writes for a link',
    '172.17.0.3\tredis 5d2c9b redis-1\n',
    {
      redis: ['172.17.0.3'],
      '5d2c9b': ['172.17.0.3'],
      'redis-1': ['172.17.0.3'],
    },
  ],
  [
    'both families, in the order of the file',
    '127.0.0.1 localhost\n::1 localhost',
    {
      localhost: ['127.0.0.1', '::1'],
    },
  ],
  [
    'several lines, an address twice',
    '10.0.0.2 db\n10.0.0.1 db\n10.0.0.2 db',
    { db: ['10.0.0.2', '10.0.0.1'] },
  ],
  ['comments', '# 10.0.0.1 a\n10.0.0.2 b # c\n10.0.0.3 #d', { b: ['10.0.0.2'] }],
  [
    'capitals, and an address in another spelling',
    '2001:DB8::0:1 DB.Example',
    { 'db.example': ['2001:db8::1'] },
  ],
  ['leading blanks, CRLF', ' \t10.0.0.1   a\t b\r\n', { a: ['10.0.0.1'], b: ['10.0.0.1'] }],
  ['no address', 'db 10.0.0.1\n10.0.0 db\n10.0.0.256 db', {}],
  [
    'a name of an object',
    '10.0.0.1 __proto__ constructor',
    {
      ['__proto__']: ['10.0.0.1'],
      constructor: ['10.0.0.1'],
    },
  ],
];

describe('hosts file', () => {
  for (const [what, text, expected] of table) {
    it(what, () => assert.deepEqual([...parseHosts(text)], Object.entries(expected)));
  }

  it('is never refused, and has only canonical addresses', () => {
    const word = fc.constantFrom('10.0.0.1', '::1', '#', '\t', 'db', '\0', '::ffff:10.0.0.1');
    const line = fc.array(fc.oneof(word, fc.string())).map((words) => words.join(' '));
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        for (const [name, addresses] of parseHosts(lines.join('\n'))) {
          assert.equal(name, name.toLowerCase());
          assert.ok(addresses.length > 0 && addresses.every((ip) => canonicalIp(ip) === ip));
        }
      }),
    );
  });
});
