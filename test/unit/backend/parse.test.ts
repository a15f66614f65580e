import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Backend, describeSource, type Source } from '../../../src/backend/backend.ts';
import { parseDescriptor, parseServiceDescriptor } from '../../../src/backend/parse.ts';

const redis = (n: number) => ({ host: `redis-${n}`, port: 6379 });

const accepted: readonly [text: string, source: Source, options?: Backend['options']][] = [
  ['redis-1:6379,redis-2:6379', { kind: 'static', endpoints: [redis(1), redis(2)] }],
  [' redis-1:6379 , redis-2:6379 ', { kind: 'static', endpoints: [redis(1), redis(2)] }],
  ['REDIS-1:6379', { kind: 'static', endpoints: [redis(1)] }],
  ['10.0.0.1:80', { kind: 'static', endpoints: [{ host: '10.0.0.1', port: 80 }] }],
  ['[2001:DB8::0:1]:80', { kind: 'static', endpoints: [{ host: '2001:db8::1', port: 80 }] }],
  ['[::ffff:10.0.0.1]:80', { kind: 'static', endpoints: [{ host: '10.0.0.1', port: 80 }] }],
  ['my_app:80', { kind: 'static', endpoints: [{ host: 'my_app', port: 80 }] }],
  ['redis.service.consul', { kind: 'srv', name: 'redis.service.consul' }],
  ['_redis._tcp.example.com.', { kind: 'srv', name: '_redis._tcp.example.com.' }],
  ['redis?balance=first', { kind: 'srv', name: 'redis' }, { balance: 'first' }],
  [
    'etcd://h1:2379,[::1]:4001/path/to/nodes/',
    {
      kind: 'etcd',
      servers: [
        { host: 'h1', port: 2379 },
        { host: '::1', port: 4001 },
      ],
      path: '/path/to/nodes',
      tags: [],
    },
  ],
  [
    'etcd://h1/p?tag=a,b',
    { kind: 'etcd', servers: [{ host: 'h1', port: 2379 }], path: '/p', tags: ['a', 'b'] },
  ],
  ['consul://h/p', { kind: 'consul', server: { host: 'h', port: 8500 }, path: '/p', tags: [] }],
  [
    'consul-service://h:1/db?tag=a&tag=b&dc=eu&passing=false&balance=random',
    {
      kind: 'consul-service',
      server: { host: 'h', port: 1 },
      name: 'db',
      tags: ['a', 'b'],
      datacenter: 'eu',
      passing: false,
    },
    { balance: 'random' },
  ],
  ['docker://web', { kind: 'docker', name: 'web' }],
  ['docker://web_1.x:8080', { kind: 'docker', name: 'web_1.x', port: 8080 }],
  ['file:///etc/nuncio/db', { kind: 'file', path: '/etc/nuncio/db' }],
  [
    'a:1?connect-timeout=500ms&send-proxy=v2&check=5s&balance=leastconn',
    { kind: 'static', endpoints: [{ host: 'a', port: 1 }] },
    { connectTimeoutMs: 500, sendProxy: 'v2', checkMs: 5000, balance: 'leastconn' },
  ],
];

const refused: readonly [text: string, column: number, expected: RegExp][] = [
  ['', 1, /host name or IP address, found the end/],
  ['   ', 4, /found the end/],
  ['redis-1:', 9, /a port \(1 to 65535\), found the end/],
  ['redis-1:6379,', 14, /host name or IP address/],
  ['redis-1:6379,,b:1', 14, /host name or IP address/],
  ['redis-1:0', 9, /a port/],
  ['redis-1:65536', 9, /a port/],
  ['redis-1:+80', 9, /a port/],
  ['redis-1:80x', 9, /a port/],
  ['redis-1,redis-2', 8, /":" and a port after "redis-1"/],
  ['redis;', 6, /":" and a port/],
  ['redis-:80', 1, /host name/],
  ['1.2.3:80', 1, /IPv4 address with four numbers/],
  ['256.1.1.1:80', 1, /IPv4 address with four numbers/],
  ['::1:80', 1, /host name/],
  ['[::1:80', 8, /"\]" after the IPv6 address/],
  ['[10.0.0.1]:80', 2, /IPv6 address in the brackets/],
  ['[fe80::1%eth0]:80', 2, /IPv6 address in the brackets/],
  ['a b:80', 2, /":" and a port/],
  ['a:80 b:80', 6, /options, or the end/],
  ['http://a:80', 1, /one of the schemes etcd, consul, consul-service, docker, file/],
  ['etc://a/b', 1, /did you mean etcd:\/\//],
  ['constructor://a/b', 1, /one of the schemes/],
  ['etcd://h1:2379', 15, /"\/" and a path/],
  ['etcd://h1:2379/', 15, /"\/" and a path/],
  ['consul-service://h', 19, /name of a service/],
  ['docker://', 10, /name of a container/],
  ['docker://web:x', 14, /a port/],
  ['file://relative', 8, /"\/" and a path/],
  ['a:1?balance=worst', 13, /one of roundrobin, leastconn, random, first for "balance"/],
  ['a:1?balanse=first', 5, /did you mean balance/],
  ['a:1?toString=1', 5, /one of the options/],
  ['a:1?balance', 12, /"=" after "balance"/],
  ['a:1?balance=first&balance=first', 19, /once only/],
  ['a:1?connect-timeout=5', 21, /a time such as/],
  ['a:1?connect-timeout=0s', 21, /a time such as/],
  ['a:1?dc=eu', 5, /one of the options/],
  ['a:1?', 5, /one of the options/],
  ['x'.repeat(9000), 1, /at most 8192 characters/],
];

describe('parseDescriptor', () => {
  for (const [text, source, options = {}] of accepted) {
    it(`reads ${JSON.stringify(text)}`, () => {
      assert.deepEqual(parseDescriptor(text), { ok: true, value: { source, options } });
    });
  }

  for (const [text, column, expected] of refused) {
    it(`refuses ${JSON.stringify(text.slice(0, 40))} at column ${column}`, () => {
      const result = parseDescriptor(text);
      assert.ok(!result.ok);
      assert.equal(result.error.code, 'ERR_DESCRIPTOR_SYNTAX');
      assert.match(result.error.message, expected);
      assert.equal(result.error.column, column, result.error.message);
    });
  }

  const plain = { noNullPrototype: true } as const;
  const name = fc.stringMatching(/^[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,4})?$/);
  const ip = fc.oneof(
    fc.ipV4(),
    fc.ipV6().map((text) => new URL(`http://[${text}]`).hostname.slice(1, -1)),
  );
  const isPlainV6 = (text: string) => !text.startsWith('::ffff:');
  const port = fc.integer({ min: 1, max: 65_535 });
  const hostPort = fc.record({ host: fc.oneof(name, ip.filter(isPlainV6)), port }, plain);
  const servers = fc.array(hostPort, { minLength: 1, maxLength: 5 });
  const path = fc.stringMatching(/^(\/[a-zA-Z0-9._:-]{1,8}){1,4}$/);
  const tags = fc.array(fc.stringMatching(/^[a-z0-9]{1,6}$/), { maxLength: 3 });
  const source: fc.Arbitrary<Source> = fc.oneof(
    fc.record({ kind: fc.constant('static' as const), endpoints: servers }, plain),
    fc.record({ kind: fc.constant('srv' as const), name }, plain),
    fc.record({ kind: fc.constant('etcd' as const), servers, path, tags }, plain),
    fc.record({ kind: fc.constant('consul' as const), server: hostPort, path, tags }, plain),
    fc.record(
      {
        kind: fc.constant('consul-service' as const),
        server: hostPort,
        name,
        tags,
        passing: fc.boolean(),
      },
      plain,
    ),
    fc.record({ kind: fc.constant('docker' as const), name, port }, plain),
    fc.record({ kind: fc.constant('file' as const), path }, plain),
  );

  it('reads every source as it is written', () => {
    fc.assert(
      fc.property(source, (value) => {
        assert.deepEqual(parseDescriptor(describeSource(value)), {
          ok: true,
          value: { source: value, options: {} },
        });
      }),
    );
  });

  it('never throws, and names a column within the text, whatever stands in it', () => {
    const piece = fc.constantFrom(
      'redis',
      ':',
      ',',
      '6379',
      '[',
      ']',
      ';',
      '?',
      '=',
      '&',
      '://',
      'etcd',
      '/',
      ' ',
      '.',
      '::1',
      'é',
    );
    const hostile = fc.oneof(
      fc.string(),
      fc.array(piece, { maxLength: 20 }).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(hostile, (text) => {
        for (const result of [parseDescriptor(text), parseServiceDescriptor(text)]) {
          if (result.ok) continue;
          assert.equal(result.error.code, 'ERR_DESCRIPTOR_SYNTAX');
          const column = result.error.column ?? 0;
          assert.ok(column >= 1 && column <= text.length + 1, `column ${column} in ${JSON.stringify(text)}`);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('parseServiceDescriptor', () => {
  it('reads a service with tags and a port', () => {
    assert.deepEqual(parseServiceDescriptor('redis.master[prod, eu];6379'), {
      ok: true,
      value: { service: 'redis.master', tags: ['prod', 'eu'], port: 6379 },
    });
  });

  it('reads a path without tags', () => {
    assert.deepEqual(parseServiceDescriptor('/services/prod/app1/80;80'), {
      ok: true,
      value: { service: '/services/prod/app1/80', tags: [], port: 80 },
    });
  });

  for (const [text, column] of [
    [';80', 1],
    ['redis', 6],
    ['redis;', 7],
    ['redis[a;80', 8],
    ['redis[];80', 7],
    ['redis;80;81', 9],
    ['red is;80', 1],
  ] as const) {
    it(`refuses ${JSON.stringify(text)} at column ${column}`, () => {
      const result = parseServiceDescriptor(text);
      assert.equal(result.ok ? undefined : result.error.column, column);
    });
  }
});
