import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { domainOf, readRequestHead } from '../../../src/http/request-head.ts';
import { requestText } from '../../../src/http/request-text.ts';
import { readResponseHead } from '../../../src/http/response-head.ts';

const client = { ip: '192.0.2.7', isTrusted: false };

/** The request as an endpoint gets it. */
function passed(text: string, isTrusted = false): string {
  const head = readRequestHead(text);
  assert.equal(head.kind, 'request', JSON.stringify(head));
  assert.ok(head.kind === 'request');
  return requestText(head, { ...client, isTrusted });
}

function status(text: string): number {
  const head = readRequestHead(text);
  return head.kind === 'fault' ? head.status : 0;
}

suite('the domain of an authority', () => {
  for (const [authority, domain] of [
    ['blog.example.com', 'blog.example.com'],
    ['Blog.EXAMPLE.com:8080', 'blog.example.com'],
    ['blog.example.com.', 'blog.example.com'],
    ['blog.example.com.:80', 'blog.example.com'],
    ['blog.example.com:', 'blog.example.com'],
    ['10.0.0.1:80', '10.0.0.1'],
    ['[2001:DB8::1]:80', '2001:db8::1'],
    ['my_app', 'my_app'],
  ] as const) {
    test(`${authority} is ${domain}`, () => assert.equal(domainOf(authority), domain));
  }
  for (const authority of [
    '',
    ':80',
    'a b',
    'a/b',
    'a@b',
    'a:b',
    'a:99999',
    '2001:db8::1',
    '[x]',
    'a..b',
    '999.1.1.1',
    'a,b',
    '*.a',
  ]) {
    test(`${JSON.stringify(authority)} is none`, () => assert.equal(domainOf(authority), undefined));
  }
});

suite('what an endpoint gets of a request', () => {
  test('the message, one form of its framing, and who asked', () => {
    const text = passed(
      'POST /p?q=1 HTTP/1.1\r\nHost: Blog.Example:81\r\nX-A:  b \r\nCookie: c\r\nContent-Length: 05',
    );
    assert.equal(
      text,
      'POST /p?q=1 HTTP/1.1\r\nHost: Blog.Example:81\r\nX-A: b\r\nCookie: c\r\nContent-Length: 5\r\n' +
        'X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Host: Blog.Example:81\r\nX-Forwarded-Port: 81\r\nX-Forwarded-Proto: http\r\n\r\n',
    );
  });

  test('fields of the connection, and those that Connection names, stay here', () => {
    const text = passed(
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Mine\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nTE: gzip\r\n' +
        'Proxy-Connection: close\r\nProxy-Authorization: x\r\nUpgrade: foo\r\nX-Yours: 2',
    );
    assert.doesNotMatch(text, /mine|keep-alive|TE:|proxy|upgrade|connection/i);
    assert.match(text, /\r\nX-Yours: 2\r\n/);
  });

  test('X-Forwarded-For grows; the others are replaced, unless the client is trusted with them', () => {
    const request =
      'GET / HTTP/1.1\r\nHost: a:8080\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\n' +
      'X-Forwarded-Host: evil\r\nX-Forwarded-Port: 443\r\nX-Forwarded-Proto: https';
    assert.match(
      passed(request),
      /X-Forwarded-For: 1\.1\.1\.1, 2\.2\.2\.2, 192\.0\.2\.7\r\nX-Forwarded-Host: a:8080\r\nX-Forwarded-Port: 8080\r\nX-Forwarded-Proto: http\r\n/,
    );
    assert.match(
      passed(request, true),
      /X-Forwarded-Host: evil\r\nX-Forwarded-Port: 443\r\nX-Forwarded-Proto: https\r\n/,
    );
  });

  test('Connection cannot take X-Forwarded-For or Host away', () => {
    const text = passed('GET / HTTP/1.1\r\nHost: a\r\nConnection: x-forwarded-for, host');
    assert.match(text, /\r\nHost: a\r\n.*X-Forwarded-For: 192\.0\.2\.7\r\n/s);
  });

  test('an upgrade goes along, h2c does not', () => {
    const upgrade = (value: string) =>
      passed(`GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: ${value}`);
    assert.match(upgrade('websocket'), /\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n$/);
    assert.doesNotMatch(upgrade('websocket, h2c'), /upgrade/i);
    assert.doesNotMatch(upgrade('HTTP/2.0'), /upgrade/i);
  });

  test('TE: trailers goes along, as trailers do', () => {
    assert.match(
      passed('GET / HTTP/1.1\r\nHost: a\r\nTE: gzip, trailers'),
      /\r\nConnection: TE\r\nTE: trailers\r\n/,
    );
  });

  test('an empty POST has a length', () => {
    assert.match(passed('POST / HTTP/1.1\r\nHost: a'), /\r\nContent-Length: 0\r\n/);
    assert.doesNotMatch(passed('GET / HTTP/1.1\r\nHost: a'), /Content-Length/);
  });

  test('targets: absolute and asterisk form', () => {
    assert.match(
      passed('GET http://B.example?x HTTP/1.1\r\nHost: a'),
      /^GET \/\?x HTTP\/1\.1\r\nHost: B\.example\r\n/,
    );
    assert.match(passed('OPTIONS * HTTP/1.1\r\nHost: a'), /^OPTIONS \* HTTP/);
    assert.match(passed('OPTIONS http://a HTTP/1.1\r\nHost: a'), /^OPTIONS \* HTTP/);
  });
});

/** Heads made of pieces that matter, in any order and number. */
const piece = fc.oneof(
  fc.constantFrom(
    ...[
      'Host: a',
      'Host: b',
      'Content-Length: 3',
      'Content-Length: 0',
      'Transfer-Encoding: chunked',
      'Transfer-Encoding: x',
    ],
    ...[
      'Transfer-Encoding : chunked',
      ' folded',
      'Connection: close',
      'Connection: content-length',
      'X: y',
      'Upgrade: websocket',
    ],
    ...[
      'Content-Length: 3, 3',
      'content-length:3',
      'TRANSFER-ENCODING:CHUNKED',
      'X:\tz ',
      ': n',
      'Expect: 100-continue',
    ],
  ),
  fc
    .string({ maxLength: 30, unit: 'binary-ascii' })
    .filter((text) => !text.includes('\r') && !text.includes('\n')),
);

test('whatever the head: what is passed on reads back as the same message, with one Host and one framing', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(
        'GET / HTTP/1.1',
        'POST /x HTTP/1.1',
        'GET / HTTP/1.0',
        'OPTIONS * HTTP/1.1',
        'GET http://a/ HTTP/1.1',
      ),
      fc.array(piece, { maxLength: 6 }),
      (first, lines) => {
        const head = readRequestHead([first, ...lines].join('\r\n'));
        if (head.kind === 'fault') return;
        const text = requestText(head, client);
        assert.ok(
          text.endsWith('\r\n\r\n') && !text.slice(0, -4).includes('\r\n\r\n'),
          'one head and no more',
        );
        const again = readRequestHead(text.slice(0, -4));
        assert.ok(again.kind === 'request', JSON.stringify(again));
        const main = ({ method, target, domain, framing, fields, upgrade }: typeof again) =>
          JSON.stringify({ method, target, domain, framing, fields, upgrade });
        assert.equal(main(again), main({ ...head, isHttp11: true }));
        assert.ok((text.match(/\r\n(content-length|transfer-encoding):/gi) ?? []).length <= 1);
        assert.equal(text.match(/\r\nhost:/gi)?.length, 1);
      },
    ),
    { numRuns: 2000 },
  );
});

test('no bytes make the reader throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const text = Buffer.from(bytes).toString('latin1');
      readRequestHead(text);
      readResponseHead(text, 'GET');
    }),
  );
});

test('faults have the status that says what is wrong', () => {
  assert.equal(status('GET / HTTP/1.2\r\nHost: a'), 505);
  assert.equal(status('GET / HTTP/3.0\r\nHost: a'), 505);
  assert.equal(status(`GET /${'a'.repeat(16_384)} HTTP/1.1\r\nHost: a`), 414);
  assert.equal(status('GET / HTTP/1.0'), 400);
});

suite('responses', () => {
  const read = (text: string, method = 'GET') => readResponseHead(text, method);
  const framing = (text: string, method?: string) => {
    const head = read(text, method);
    return head.kind === 'fault' ? head.reason : head.framing.kind;
  };

  test('framing', () => {
    assert.equal(framing('HTTP/1.1 200 OK\r\nContent-Length: 3'), 'length');
    assert.equal(framing('HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked'), 'chunked');
    assert.equal(framing('HTTP/1.1 200 OK'), 'until-close');
    assert.equal(framing('HTTP/1.1 200 OK\r\nContent-Length: 0'), 'none');
    for (const code of [100, 101, 103, 204, 304]) {
      assert.equal(framing(`HTTP/1.1 ${code} x\r\nContent-Length: 5`), 'none');
    }
    assert.equal(framing('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked', 'HEAD'), 'none');
  });

  for (const text of [
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked',
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4',
    'HTTP/1.1 200 OK\r\nContent-Length: 3 4',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked',
    'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked',
    'HTTP/1.1 200 OK\r\n X: folded',
    'HTTP/1.1 200 OK\r\nX : y',
    'HTTP/1.1 20 OK',
    'HTTP/2 200 OK',
    'ICY 200 OK',
    '',
  ]) {
    test(`is not an answer: ${JSON.stringify(text)}`, () => {
      const head = read(text);
      assert.ok(head.kind === 'fault' && head.status === 502);
    });
  }

  test('a status without a reason, a reason with UTF-8', () => {
    const bare = read('HTTP/1.1 200');
    assert.ok(bare.kind === 'response' && bare.reason === '');
    const text = read(`HTTP/1.1 200 ${Buffer.from('Très bien').toString('latin1')}`);
    assert.ok(text.kind === 'response' && Buffer.from(text.reason, 'latin1').toString() === 'Très bien');
  });

  test('how long the endpoint keeps a connection', () => {
    const kept = (text: string) => {
      const head = read(text);
      return head.kind === 'response' ? [head.isKept, head.keptMs] : [];
    };
    assert.deepEqual(kept('HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5, max=100'), [true, 5000]);
    assert.deepEqual(kept('HTTP/1.1 200 OK\r\nConnection: Close'), [false, undefined]);
    assert.deepEqual(kept('HTTP/1.0 200 OK'), [false, undefined]);
    assert.deepEqual(kept('HTTP/1.0 200 OK\r\nConnection: keep-alive'), [true, undefined]);
  });
});
