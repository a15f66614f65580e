import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { hostNameFault } from '../../../src/backend/scanner.ts';
import { canonicalIp, formatHostPort, isUnspecified } from '../../../src/core/address.ts';
import type { NamedEndpoint } from '../../../src/discovery/named-endpoint.ts';
import { readValues, type StoredValue } from '../../../src/discovery/values.ts';

type Leaves = Readonly<Record<string, string>>;

const stored = (leaves: Leaves): StoredValue[] =>
  Object.entries(leaves).map(([key, value]) => ({ key, value }));

/** `name=host:port`, then what differs from the usual. */
function text({ name, host, port, weight, priority, tags }: NamedEndpoint): string {
  const rest = [
    weight === 1 ? '' : ` weight ${weight}`,
    priority === 0 ? '' : ` priority ${priority}`,
    tags.length === 0 ? '' : ` [${tags}]`,
  ];
  return `${name}=${formatHostPort(host, port)}${rest.join('')}`;
}

const read = (leaves: Leaves, tags: readonly string[] = []) => {
  const { endpoints, skipped } = readValues(stored(leaves), { tags });
  return { endpoints: endpoints.map(text), skipped: skipped.map(({ key, reason }) => `${key}: ${reason}`) };
};

/** What service-registrar writes: the document of embassy's manual, shortened. */
const embassyDocument = (rest: object = {}) =>
  JSON.stringify({
    id: '13532987eae2831eb7d41f38172cb82db668b3c72d10f513551026b2525e634f',
    host: 'fury',
    ipaddress: '192.168.13.90',
    env: { ENVIRONMENT: 'prod', PORT: '1' },
    tags: [],
    name: '/trusting_shockley',
    host_port: '49161',
    proto: 'tcp',
    port: '80',
    path: '/services/prod/apache/80/49161/13532987eae2',
    ...rest,
  });

describe('what each writer stores', () => {
  const table: readonly [writer: string, leaves: Leaves, endpoints: readonly string[]][] = [
    ['by hand, at the path', { '': '10.0.0.1:6379' }, ['10.0.0.1=10.0.0.1:6379']],
    [
      'by hand, a newline after it',
      { '': 'Redis-1.example:6379\n' },
      ['redis-1.example=redis-1.example:6379'],
    ],
    [
      'by hand, a list at the path, in its own order',
      { '': 'b:2, 10.0.0.1:1,[FD00::1]:3' },
      ['b=b:2', '10.0.0.1=10.0.0.1:1', 'fd00::1=[fd00::1]:3'],
    ],
    ['by hand, children', { b: '10.0.0.2:80', a: '10.0.0.1:80' }, ['a=10.0.0.1:80', 'b=10.0.0.2:80']],
    ['children count, the path then does not', { '': '10.0.0.9:1', a: '10.0.0.1:80' }, ['a=10.0.0.1:80']],
    [
      'registrator etcd and consulkv',
      { 'web/host-1:web_1:80': '10.0.0.5:49153', 'web/host-1:web_2:80': '[fd00::5]:49154' },
      ['host-1:web_1:80=10.0.0.5:49153', 'host-1:web_2:80=[fd00::5]:49154'],
    ],
    ['registrator, UDP', { 'host-1:dns_1:53:udp': '10.0.0.5:49153' }, []],
    [
      'registrator skydns2',
      {
        'local/cluster/web/h:w:80': '{"host":"10.0.0.5","port":49153}',
        'local/cluster/web/h:x:80': '{"host":"10.0.0.6","port":49154,"weight":20,"priority":10}',
      },
      ['h:w:80=10.0.0.5:49153', 'h:x:80=10.0.0.6:49154 weight 20 priority 10'],
    ],
    [
      'embassy, service-registrar: the published port, the address',
      { '80/49161/13532987eae2': embassyDocument({ tags: ['prod', 'eu'] }) },
      ['13532987eae2=192.168.13.90:49161 [prod,eu]'],
    ],
    ['embassy without a published port', { id: '{"ipaddress":"10.0.0.1","port":"80"}' }, ['id=10.0.0.1:80']],
    ['embassy, UDP', { id: embassyDocument({ proto: 'udp' }) }, []],
    [
      'docker-register',
      { 'redis.service': '{ "port": 49155, "host": "10.132.181.182" }' },
      ['redis.service=10.132.181.182:49155'],
    ],
    [
      'dynamic-ambassador',
      { 'blog.example/8d9f': '10.0.0.5:49153', '3306/77aa': '10.0.0.6:49154' },
      ['77aa=10.0.0.6:49154', '8d9f=10.0.0.5:49153'],
    ],
    [
      'dynamic-ambassador, older: in the key',
      { '3306/77aa/10.0.0.6:49154': '', '3306/77ab/[fd00::6]:49155': 'up' },
      ['10.0.0.6=10.0.0.6:49154', 'fd00::6=[fd00::6]:49155'],
    ],
    ['a document at the path itself', { '': ' {"host":"db","port":"5432"}' }, ['db=db:5432']],
    ['a JSON null is no field', { a: '{"host":"db","ipaddress":null,"port":1}' }, ['a=db:1']],
    ["Consul's folders", { 'sub/': '', 'sub/a': '10.0.0.1:80' }, ['a=10.0.0.1:80']],
    ['a folder is no child', { '': '10.0.0.1:80', 'sub/': '' }, ['10.0.0.1=10.0.0.1:80']],
    ['nothing there', {}, []],
    ['nothing at the path', { '': ' \n' }, []],
  ];
  for (const [writer, leaves, endpoints] of table) {
    it(writer, () => assert.deepEqual(read(leaves), { endpoints, skipped: [] }));
  }
});

describe('what is skipped', () => {
  const table: readonly [what: string, value: string, reason: string][] = [
    ['a port alone', ':8080', 'column 1: expected a host name or IP address, found ":8080"'],
    ['no port', '10.0.0.1', 'column 9: expected ":" and a port after "10.0.0.1", found the end'],
    ['nothing', '', 'expected host:port or a JSON object, found nothing'],
    ['a list below the path', 'a:1,b:2', 'column 4: expected the end after the port, found ",b:2"'],
    ['port 0', 'a:0', 'column 3: expected a port (1 to 65535), found "0"'],
    ['port 65536', '{"host":"a","port":65536}', '"port": expected a port (1 to 65535), found 65536'],
    ['a port with a fraction', '{"host":"a","port":1.5}', '"port": expected a port (1 to 65535), found 1.5'],
    ['0.0.0.0', '0.0.0.0:80', '0.0.0.0:80 is every address of a machine, not one to dial'],
    ['::', '[::]:80', '[::]:80 is every address of a machine, not one to dial'],
    [
      '0.0.0.0 in a document',
      '{"host":"0.0.0.0","port":80}',
      '0.0.0.0:80 is every address of a machine, not one to dial',
    ],
    ['0.0.0.0 in IPv6', '[::ffff:0.0.0.0]:80', '0.0.0.0:80 is every address of a machine, not one to dial'],
    ['half a document', '{"host":"a"', 'expected a JSON object, found "{\\"host\\":\\"a\\""'],
    ['a JSON list', '[1]', 'column 2: expected an IPv6 address in the brackets, found "1]"'],
    ['no host', '{"port":80}', 'expected "host" or "ipaddress" in the document, found neither'],
    [
      'no port in a document',
      '{"host":"a"}',
      'expected "port" or "host_port" in the document, found neither',
    ],
    ['a list for a host', '{"host":["a"],"port":1}', '"host": expected a host, found a list'],
    [
      'an empty host',
      '{"host":"","port":1}',
      '"host": column 1: expected a host name or IP address, found the end',
    ],
    [
      'a host with a port',
      '{"host":"a:2","port":1}',
      '"host": column 2: expected the end after the host, found ":2"',
    ],
    [
      'an address with a zone',
      '{"host":"fe80::1%eth0","port":1}',
      '"host": column 5: expected the end after the host, found "::1%eth0"',
    ],
    [
      'an object for a port',
      '{"host":"a","port":{}}',
      '"port": expected a port (1 to 65535), found an object',
    ],
    [
      'a published port that is none',
      embassyDocument({ host_port: '' }),
      '"host_port": expected a port (1 to 65535), found ""',
    ],
    [
      'fields of the prototype',
      '{"__proto__":{"host":"a","port":1}}',
      'expected "host" or "ipaddress" in the document, found neither',
    ],
    ['a large text', 'a'.repeat(1_000_000), 'longer than 65536 characters'],
    [
      'a long name',
      `${'a'.repeat(300)}:1`,
      `column 1: expected a host name of at most 253 characters, found "${'a'.repeat(24)}…"`,
    ],
  ];
  for (const [what, value, reason] of table) {
    it(what, () => {
      const { endpoints, skipped } = read({ bad: value, good: '10.0.0.1:80' });
      assert.deepEqual(endpoints, ['good=10.0.0.1:80']);
      assert.deepEqual(skipped, [`bad: ${reason}`]);
    });
  }

  it('an entry of the list at the path, and not the others', () => {
    assert.deepEqual(read({ '': 'a:1,,b,0.0.0.0:3,d:4,' }), {
      endpoints: ['a=a:1', 'd=d:4'],
      skipped: [
        ': column 2: expected ":" and a port after "b", found the end',
        ': 0.0.0.0:3 is every address of a machine, not one to dial',
      ],
    });
  });

  it('an address in the key does not replace a bad one in the value', () => {
    assert.deepEqual(read({ '10.0.0.1:80': ':81', '10.0.0.2:80': '{}' }).endpoints, []);
    assert.equal(read({ '0.0.0.0:80': '' }).skipped.length, 1);
  });

  it('what comes after ten thousand', () => {
    const many = Array.from({ length: 10_002 }, (_, index) => `10.0.${index >> 8}.${index & 255}:80`);
    const children = read(Object.fromEntries(many.map((value, index) => [`k${index}`, value])));
    const list = read({ '': many.join(',') });
    for (const { endpoints, skipped } of [children, list]) {
      assert.equal(endpoints.length, 10_000);
      assert.deepEqual(skipped, [
        ': there are more than 10000 values, of which only the first 10000 are read',
      ]);
    }
  });
});

describe('tags', () => {
  const leaves = {
    a: embassyDocument({ tags: ['prod', 'eu'] }),
    b: embassyDocument({ tags: ['prod'], host_port: '2' }),
    c: '10.0.0.1:3',
    d: embassyDocument({ tags: 'prod', host_port: '4' }),
    e: embassyDocument({ tags: [null, 7, 'prod'], host_port: '5' }),
  };
  const ports = (tags: readonly string[]) =>
    readValues(stored(leaves), { tags }).endpoints.map(({ port }) => port);

  it('all that are asked for must be there', () => {
    assert.deepEqual(ports([]), [49_161, 2, 3, 4, 5]);
    assert.deepEqual(ports(['prod']), [49_161, 2, 5]);
    assert.deepEqual(ports(['eu', 'prod']), [49_161]);
    assert.deepEqual(ports(['us']), []);
  });

  it('that do not fit are no fault', () => {
    assert.deepEqual(readValues(stored(leaves), { tags: ['us'] }).skipped, []);
  });
});

describe('weight and priority', () => {
  const table: readonly [written: string, weight: number, priority: number][] = [
    ['"weight":0,"priority":0', 0, 0],
    ['"weight":"7","priority":"8"', 7, 8],
    ['"weight":1e300,"priority":70000', 65_535, 65_535],
    ['"weight":-5,"priority":-1', 0, 0],
    ['"weight":2.9,"priority":1.1', 2, 1],
    ['"weight":"heavy","priority":[]', 1, 0],
    ['"weight":null,"priority":{"valueOf":1}', 1, 0],
  ];
  for (const [written, weight, priority] of table) {
    it(written, () => {
      const { endpoints } = readValues(stored({ a: `{"host":"a","port":1,${written}}` }), { tags: [] });
      assert.deepEqual([endpoints[0]?.weight, endpoints[0]?.priority], [weight, priority]);
    });
  }
});

it('a name is one line of bounded length', () => {
  const { endpoints } = readValues(stored({ [`x/a\nb${'c'.repeat(400)}`]: '10.0.0.1:80' }), { tags: [] });
  assert.equal(endpoints[0]?.name, `a?b${'c'.repeat(252)}`);
});

describe('whatever is stored', () => {
  const host = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.domain(),
    fc.constantFrom('0.0.0.0', '::', '', 'a b', '0', '0x0'),
    fc.string(),
  );
  const port = fc.oneof(fc.integer({ min: -1, max: 70_000 }), fc.string(), fc.double());
  const field = fc.oneof(host, port, fc.jsonValue({ maxDepth: 3 }));
  const names = ['host', 'port', 'ipaddress', 'host_port', 'tags', 'weight', 'priority', 'proto'] as const;
  const document = fc.dictionary(fc.constantFrom(...names, '__proto__', 'constructor'), field);
  const value = fc.oneof(
    fc.tuple(host, port).map(([h, p]) => `${h}:${p}`),
    fc.tuple(fc.ipV6(), port).map(([h, p]) => `[${h}]:${p}`),
    fc.array(fc.tuple(host, port).map(([h, p]) => `${h}:${p}`)).map((list) => list.join(',')),
    document.map((object) => JSON.stringify(object)),
    fc.json(),
    fc.string({ unit: 'binary' }),
  );
  const key = fc.oneof(
    fc.constant(''),
    fc.string({ unit: 'binary' }),
    fc.tuple(host, port).map(([h, p]) => `id/${h}:${p}`),
    fc.constantFrom('__proto__', 'constructor', '/', '//', 'a/', 'a:b:80:udp'),
  );
  const leaves = fc.array(fc.record({ key, value }), { maxLength: 8 });
  const tags = fc.subarray(['prod', 'eu']);

  it('is read without throwing, and nothing comes out that cannot be dialled', () => {
    fc.assert(
      fc.property(leaves, tags, (values, wanted) => {
        for (const endpoint of readValues(values, { tags: wanted }).endpoints) {
          const ip = canonicalIp(endpoint.host);
          if (ip === undefined) {
            assert.equal(hostNameFault(endpoint.host), undefined);
            assert.equal(endpoint.host, endpoint.host.toLowerCase());
          } else {
            assert.equal(ip, endpoint.host);
            assert.ok(!isUnspecified(ip));
          }
          for (const number of [endpoint.port, endpoint.weight, endpoint.priority]) {
            assert.ok(Number.isInteger(number) && number >= 0 && number <= 65_535);
          }
          assert.ok(endpoint.port >= 1 && endpoint.name !== '' && endpoint.name.length <= 255);
          assert.ok(wanted.every((tag) => endpoint.tags.includes(tag)));
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('gives the same list in whatever order it comes', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.record({ key, value }), { selector: (leaf) => leaf.key }), (values) => {
        assert.deepEqual(readValues(values.toReversed(), { tags: [] }), readValues(values, { tags: [] }));
      }),
    );
  });

  it('is read to its bounds: depth, length, numbers', () => {
    const deep = `{"host":${'['.repeat(30_000)}`;
    const deepButWhole = `{"host":${'['.repeat(30_000)}${']'.repeat(30_000)},"port":1}`;
    const hostile = [
      deep,
      deepButWhole,
      `{"host":"a","port":${'9'.repeat(60_000)}}`,
      '/'.repeat(1_000_000),
      ','.repeat(1_000_000),
      '['.repeat(60_000),
      `${'a.'.repeat(30_000)}:1`,
      'null',
      'true',
      '"10.0.0.1:80"',
      '\0',
      '\ud800',
    ];
    for (const text of hostile) {
      for (const key of ['', 'a', `${'/'.repeat(1_000_000)}a`]) {
        assert.deepEqual(readValues([{ key, value: text }], { tags: [] }).endpoints, []);
      }
    }
  });
});
