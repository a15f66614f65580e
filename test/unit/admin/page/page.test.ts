import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { renderPage } from '../../../../src/admin/page/page.ts';
import { endpoint } from '../../../../src/core/endpoint.ts';
import { BoardBed, redis1, redis2, to } from '../../../support/board-bed.ts';
import { gatewayStatus } from '../../../support/gateway-status.ts';

/** The page's words, without tags; entities stay as they are. */
function wordsOf(page: string): string {
  return page.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');
}

describe('renderPage', () => {
  it('shows routes, endpoints and problems', async () => {
    await using bed = await BoardBed.start();
    bed.backend('redis', [redis1, redis2], { problem: 'etcd is silent' });
    bed.caller('c1', 'web', [
      [6379, to('redis')],
      [7000, { kind: 'refused', code: 'ERR_DESCRIPTOR_SYNTAX', reason: 'column 3' }],
    ]);
    bed.health.failed(redis1, 'ECONNREFUSED');
    bed.carried('redis', '10.0.0.1:6379', { connections: 1234, bytesUp: 2_500_000 });
    for (let time = 0; time < 2; time++) bed.board.logger.warn('no route for web', { code: 'ERR_NO_ROUTE' });
    bed.nowMs += 65_000;
    const words = wordsOf(renderPage(bed.board.status(), ''));
    for (const expected of [
      'backends omni mode, up 1 min, listening on [::]:10000',
      'degraded redis',
      'etcd is silent',
      '10.0.0.1:6379 redis-1 suspect 1 min ECONNREFUSED',
      '1,234',
      '2.5 MB',
      'web 172.17.0.5',
      'refused 7000 → column 3',
      'Nuncio 1.2.3',
      'warn no route for web ERR_NO_ROUTE 2 times 1 min ago',
    ]) {
      assert.ok(words.includes(expected), `${expected} in ${words}`);
    }
  });

  it("shows the gateway's applications, services and skipped keys", () => {
    const { board } = new BoardBed();
    board.showGateway(() => gatewayStatus);
    const words = wordsOf(renderPage(board.status(), ''));
    for (const expected of [
      'etcd://10.0.0.9:2379',
      'degraded blog.example.com',
      '2xx 8 · 3xx 1 · 5xx 1',
      'ejected',
      'HEAD / answered 503',
      'down mysql port 3306 port taken',
      'EADDRINUSE',
      '/apps/&lt;b&gt; no host name',
    ]) {
      assert.ok(words.includes(expected), `${expected} in ${words}`);
    }
    assert.ok(!words.includes('Callers'), 'a gateway alone knows no callers');
  });

  it('says so where there is nothing', () => {
    const words = wordsOf(renderPage(new BoardBed().board.status(), ''));
    for (const expected of ['No caller names a backend.', 'No container runs that could call.', 'None.']) {
      assert.ok(words.includes(expected), expected);
    }
  });

  it('finds by every word, in any letter case: name, address, state, reason', async () => {
    await using bed = await BoardBed.start();
    bed.backend('etcd://h/Redis', [redis1]);
    bed.backend('docker://web', []);
    bed.caller('c1', 'Shop', [[6379, to('etcd://h/Redis')]]);
    bed.caller('c2', 'blog', [[80, to('docker://web')]], ['fd00::7']);
    const found = (filter: string) => {
      const page = renderPage(bed.board.status(), filter);
      return [/>etcd:\/\/h\/Redis<\/h3>/, />docker:\/\/web<\/h3>/, />Shop</, />blog</].map((one) =>
        one.test(page),
      );
    };
    assert.deepEqual(found(''), [true, true, true, true]);
    assert.deepEqual(found('REDIS'), [true, false, true, false]);
    assert.deepEqual(found('down'), [false, true, false, true]);
    assert.deepEqual(found('redis-1 6379'), [true, false, false, false]);
    assert.deepEqual(found('fd00::7'), [false, false, false, true]);
    assert.deepEqual(found('redis web'), [false, false, false, false]);
    assert.match(renderPage(bed.board.status(), 'redis web'), /Nothing fits the filter\./);
  });

  it('shows a bounded number of everything, and says how much more there is', () => {
    const bed = new BoardBed();
    for (let number = 0; number < 500; number++) bed.backend(`b${number}`, []);
    const many = Array.from({ length: 300 }, (_, index) => endpoint('10.0.1.1', index + 1));
    bed.backend('a-large-one', many);
    const page = renderPage(bed.board.status(), '');
    assert.equal(page.match(/<article/g)?.length, 200);
    assert.match(page, /and 301 more: narrow the filter/);
    assert.match(renderPage(bed.board.status(), 'large'), /and 250 endpoints more/);
  });

  it('puts trouble first', () => {
    const bed = new BoardBed();
    bed.backend('a-good', [redis1]);
    bed.backend('z-down', []);
    bed.caller('c1', 'a-good', [[1, to('a-good')]]);
    bed.caller('c2', 'z-bad', [
      [1, to('a-good')],
      [2, to('z-down')],
    ]);
    const page = renderPage(bed.board.status(), '');
    assert.ok(page.indexOf('<h3>z-down') < page.indexOf('<h3>a-good'));
    assert.ok(page.indexOf('>z-bad<') < page.indexOf('<th scope="row">a-good'));
  });

  it('lets no name, reason or filter become HTML', () => {
    const hostile = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        '<script>x</script>',
        '"><img src=x onerror=x>',
        "' onmouseover='x",
        '</title><b>',
        '&lt;',
        '-->',
      ),
    );
    const tags = (page: string) => page.match(/<[^>]*>/g)?.map((tag) => tag.replace(/"[^"]*"/g, '""'));
    const pageOf = (text: string) => {
      const bed = new BoardBed();
      bed.backend('k', [endpoint('10.0.0.1', 80, { name: `${text}!` })], { text, problem: text });
      bed.caller('c1', text, [
        [1, to('k')],
        [2, { kind: 'refused', code: 'ERR_NO_ROUTE', reason: text }],
      ]);
      bed.board.logger.warn(text, { code: text });
      bed.board.showGateway(() => ({
        ...gatewayStatus,
        skipped: { count: 1, keys: [{ key: text, reason: text }] },
      }));
      return renderPage(bed.board.status(), '');
    };
    const plain = tags(pageOf('plain'));
    fc.assert(
      fc.property(hostile, (text) => assert.deepEqual(tags(pageOf(text)), plain)),
      { numRuns: 60 },
    );
    const { board } = new BoardBed();
    fc.assert(
      fc.property(hostile, (text) =>
        assert.deepEqual(tags(renderPage(board.status(), text)), tags(renderPage(board.status(), 'plain'))),
      ),
      { numRuns: 60 },
    );
  });
});
