import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseResolvConf, type ResolvConf } from '../../../../src/discovery/dns/resolv-conf.ts';

const servers = (...ips: string[]) => ips.map((ip) => ({ ip, port: 53 }));
const defaults: ResolvConf = {
  nameservers: servers('127.0.0.1'),
  search: [],
  ndots: 1,
  timeoutMs: 2000,
  attempts: 2,
};

const table: readonly (readonly [what: string, text: string, expected: Partial<ResolvConf>])[] = [
  ['nothing', '', {}],
  ['a nameserver', 'nameserver 10.0.0.2\n', { nameservers: servers('10.0.0.2') }],
  [
    'IPv6, with a zone and with capitals',
    'nameserver fe80::1%eth0\nnameserver 2001:DB8::0:1',
    { nameservers: servers('fe80::1', '2001:db8::1') },
  ],
  [
    'three nameservers of four',
    'nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\nnameserver 10.0.0.4',
    { nameservers: servers('10.0.0.1', '10.0.0.2', '10.0.0.3') },
  ],
  ['no address', 'nameserver dns.example\nnameserver\nnameserver 1.2.3', {}],
  [
    'what Docker writes',
    'nameserver 127.0.0.11\noptions ndots:0\n',
    { nameservers: servers('127.0.0.11'), ndots: 0 },
  ],
  ['tabs, trailing blanks, CRLF', 'nameserver\t10.0.0.2 \t\r\n', { nameservers: servers('10.0.0.2') }],
  ['text after the address', 'nameserver 10.0.0.2 # home', { nameservers: servers('10.0.0.2') }],
  ['comments', '# nameserver 10.0.0.2\n; nameserver 10.0.0.3\n#nameserver 10.0.0.4', {}],
  ['a keyword that does not begin the line', ' nameserver 10.0.0.2', {}],
  ['search', 'search a.example b.example', { search: ['a.example', 'b.example'] }],
  ['the last search wins', 'search a.example\nsearch b.example', { search: ['b.example'] }],
  ['domain is a search of one', 'domain a.example b.example', { search: ['a.example'] }],
  ['search after domain', 'domain a.example\nsearch b.example', { search: ['b.example'] }],
  ['an empty search', 'search a.example\nsearch', { search: [] }],
  [
    'options',
    'options ndots:3 timeout:1 attempts:4 rotate edns0',
    { ndots: 3, timeoutMs: 1000, attempts: 4 },
  ],
  [
    'options at their limits',
    'options ndots:99 timeout:99 attempts:99',
    { ndots: 15, timeoutMs: 30_000, attempts: 5 },
  ],
  ['options of nothing', 'options ndots:0 timeout:0 attempts:0', { ndots: 0, timeoutMs: 1000, attempts: 1 }],
  ['options that are none', 'options ndots:x timeout: attempts:-1 ndots', {}],
  ['unknown lines', 'sortlist 10.0.0.0\nlookup file bind\nnonsense', {}],
];

describe('resolv.conf', () => {
  for (const [what, text, expected] of table) {
    it(what, () => assert.deepEqual(parseResolvConf(text), { ...defaults, ...expected }));
  }

  it('is never refused, and always says something usable', () => {
    const word = fc.constantFrom(
      'nameserver',
      'search',
      'domain',
      'options',
      'ndots:',
      '%',
      ':',
      '::1',
      '#',
      '\0',
    );
    const line = fc.array(fc.oneof(word, fc.string())).map((words) => words.join(' '));
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const conf = parseResolvConf(lines.join('\n'));
        assert.ok(conf.nameservers.length >= 1 && conf.nameservers.length <= 3);
        assert.ok(conf.search.length <= 16 && conf.search.every((domain) => domain !== ''));
        assert.ok(conf.timeoutMs >= 1000 && conf.timeoutMs <= 30_000);
        assert.ok(conf.attempts >= 1 && conf.attempts <= 5);
      }),
    );
  });
});
