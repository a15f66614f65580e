import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseEndpointList } from '../../../../src/discovery/file/list.ts';

/** Each endpoint as `host port weight priority tags`, or the error. */
function brief(text: string): string[] | string {
  const list = parseEndpointList(text);
  if (!list.ok) return list.error.message;
  return list.value.map((e) => [e.host, e.port, e.weight, e.priority, e.tags.join('+')].join(' ').trim());
}

describe('a list of endpoints', () => {
  const good: readonly (readonly [what: string, text: string, expected: readonly string[]])[] = [
    ['nothing', '', []],
    ['blank lines and comments', '\n  \n# all gone\n', []],
    ['addresses and names', '10.0.0.5:6379\nRedis-2:6380\n', ['10.0.0.5 6379 1 0', 'redis-2 6380 1 0']],
    ['IPv6', '[FD00::1]:80\n', ['fd00::1 80 1 0']],
    ['no newline at the end', '10.0.0.5:6379', ['10.0.0.5 6379 1 0']],
    [
      'CRLF, tabs, a byte order mark',
      '\uFEFF10.0.0.5:1\r\n\t10.0.0.6:2 \r\n',
      ['10.0.0.5 1 1 0', '10.0.0.6 2 1 0'],
    ],
    ['a comment after it', 'a:1 # the first\nb:2 #weight=9', ['a 1 1 0', 'b 2 1 0']],
    ['properties', 'a:1 weight=2 priority=1 tags=prod,eu\nb:2 weight=0', ['a 1 2 1 prod+eu', 'b 2 0 0']],
    [
      'JSON texts',
      '["10.0.0.5:6379", "[fd00::1]:80", "Redis:1"]',
      ['10.0.0.5 6379 1 0', 'fd00::1 80 1 0', 'redis 1 1 0'],
    ],
    [
      'JSON objects',
      '[{"host":"FD00::1","port":80},\n{"host":"[fd00::2]","port":"81","weight":3,"priority":2,"tags":["a"]}]',
      ['fd00::1 80 1 0', 'fd00::2 81 3 2 a'],
    ],
    ['an empty JSON array', ' [\n]\n', []],
  ];
  for (const [what, text, expected] of good) it(what, () => assert.deepEqual(brief(text), expected));

  it('calls each by its host', () => {
    const list = parseEndpointList('Redis-2:1\n');
    assert.equal(list.ok && list.value[0]?.name, 'redis-2');
  });

  const bad: readonly (readonly [text: string, expected: string])[] = [
    ['a:1\n10.0.0', 'line 2, column 1: expected an IPv4 address with four numbers up to 255, found "10.0.0"'],
    ['a:1\n  redis', 'line 2, column 8: expected ":" and a port after "redis", found the end'],
    ['a:70000', 'line 1, column 3: expected a port (1 to 65535), found "70000"'],
    ['a:1,b:2', 'line 1, column 4: expected a space, or the end of the line, after the port, found ",b:2"'],
    [
      'a:1 wieght=2',
      'line 1, column 5: expected one of weight, priority, tags (did you mean weight?), found "wieght=2"',
    ],
    ['a:1  weight=-1', 'line 1, column 6: expected 0 to 65535 for weight, found "weight=-1"'],
    ['a:1 weight', 'line 1, column 5: expected 0 to 65535 for weight, found "weight"'],
    ['a:1 tags=a,,b', 'line 1, column 5: expected tags such as prod,eu for tags, found "tags=a,,b"'],
    ['{"a":1}', 'expected an array of endpoints, found {"a":1}'],
    ['[5]', 'line 1, column 2: expected an IPv6 address in the brackets, found "5]"'],
    ['["a:1", 5]', 'entry 2: expected "host:port" or an object, found 5'],
    ['["a:1", "b"]', 'entry 2: column 2: expected ":" and a port after "b", found the end'],
    ['[{"port":1}]', 'entry 1: expected a host name or IP address, found undefined'],
    ['[{"host":"a b","port":1}]', 'entry 1: expected a host name or IP address, found "a b"'],
    ['[{"host":"a","port":0}]', 'entry 1: expected a port (1 to 65535), found 0'],
    [
      '[{"host":"a","port":1,"wieght":2}]',
      'entry 1: expected one of weight, priority, tags (did you mean weight?), found "wieght": 2',
    ],
    [
      '[{"host":"a","port":1,"tags":[1]}]',
      'entry 1: expected tags such as prod,eu for tags, found "tags": [1]',
    ],
  ];
  for (const [text, expected] of bad) it(`refuses ${text}`, () => assert.equal(brief(text), expected));

  it('refuses JSON that is cut off, and a list without end', () => {
    const whole = '["a:1", {"host": "b", "port": 2}]';
    for (let end = 2; end < whole.length; end++) {
      assert.equal(typeof brief(whole.slice(0, end)), 'string', whole.slice(0, end));
    }
    assert.match(String(brief('a:1\n'.repeat(10_001))), /^10001 endpoints are more than the 10000/);
  });

  it('never throws, and gives only what can be dialled', () => {
    const word = fc.oneof(
      fc.constantFrom('a:1', '[::1]:5', '#', 'weight=1', 'tags=', '[', '{', '"', '\n', ',', '__proto__=1'),
      fc.string({ maxLength: 8 }),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 12 }), (words) => {
        const list = parseEndpointList(words.join(' '));
        for (const { host, port, weight, priority } of list.ok ? list.value : []) {
          assert.ok(host !== '' && !/\s/.test(host));
          assert.ok(port >= 1 && port <= 65_535 && weight >= 0 && priority >= 0);
        }
      }),
      { numRuns: 2000 },
    );
    fc.assert(fc.property(fc.json(), (json) => void parseEndpointList(`[${json}]`)));
  });
});
