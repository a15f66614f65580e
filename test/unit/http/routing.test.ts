import assert from 'node:assert/strict';
import { once } from 'node:events';
import { suite, test } from 'node:test';
import { endpoint } from '../../../src/core/endpoint.ts';
import { bodyOf, HttpBed, readUntil, statusOf } from './bed.ts';

const answer = (text: string) => (_: unknown, response: { end(text: string): void }) => response.end(text);

suite('applications by domain', () => {
  test('without case or port, exact before the longest wildcard', async () => {
    await using bed = await HttpBed.start();
    await bed.application(answer('exact'), 'a.example.com');
    await bed.application(answer('wild'), '*.example.com');
    await bed.application(answer('wilder'), '*.deep.example.com');
    for (const [host, expected] of [
      ['a.example.com', 'exact'],
      ['A.Example.COM:8080', 'exact'],
      ['a.example.com.', 'exact'],
      ['b.example.com', 'wild'],
      ['x.b.example.com', 'wild'],
      ['x.deep.example.com', 'wilder'],
    ] as const) {
      assert.equal(bodyOf(await bed.get(host)), expected, host);
    }
    for (const host of ['example.com', 'other.com', 'aexample.com']) {
      assert.equal(statusOf(await bed.get(host)), 404, host);
    }
    const line = await bed.log.line(({ message }) => message.includes('other.com'));
    assert.match(
      line.message,
      /^404 to 127\.0\.0\.1:\d+ GET other\.com\/: no application has the domain other\.com$/,
    );
    assert.equal(bed.proxy.status.refused, 3);
  });

  test('an application that goes is not served any more', async () => {
    await using bed = await HttpBed.start();
    await bed.application(answer('here'), 'a.example');
    assert.equal(statusOf(await bed.get('a.example')), 200);
    bed.table.apply({ kind: 'caller-gone', id: 'a.example' });
    assert.equal(statusOf(await bed.get('a.example')), 404);
    assert.equal(bed.proxy.traffic('a.example'), undefined);
  });

  test('an application without endpoints: 503, and why in the log', async () => {
    await using bed = await HttpBed.start();
    bed.serve('a.example', []);
    const text = await bed.get('a.example');
    assert.equal(statusOf(text), 503);
    assert.match(bodyOf(text), /not available at the moment/);
    assert.doesNotMatch(text, /nuncio|Server:/i);
    const line = await bed.log.line(({ level }) => level === 'warn');
    assert.match(line.message, /503 .*: the application has no endpoint/);
  });

  test('least connections: who is busy gets nothing more', async () => {
    await using bed = await HttpBed.start();
    const waiting: (() => void)[] = [];
    const busy = await bed.application((_, response) => waiting.push(() => response.end('busy')));
    const idle = await bed.application(answer('idle'));
    bed.serve('a.example', [busy.at]);
    const first = bed.get('a.example');
    await once(busy.server, 'request');
    bed.serve('a.example', [busy.at, idle.at]);
    for (let i = 0; i < 4; i++) assert.equal(bodyOf(await bed.get('a.example')), 'idle');
    for (const finish of waiting) finish();
    assert.equal(bodyOf(await first), 'busy');
  });
});

suite('an endpoint that fails', () => {
  test('does not accept: another one, also for a request with a body', async () => {
    await using bed = await HttpBed.start();
    const closed = await bed.closedPort();
    const { at } = await bed.application((request, response) => request.pipe(response));
    const isTold = () => bed.health.includes(`${closed.port} ECONNREFUSED`);
    // Which of the two is first is by lot, each time anew.
    for (let i = 0; i < 64 && !isTold(); i++) {
      bed.serve('a.example', [closed, at]);
      const text = await bed.raw(
        'POST / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello',
      );
      assert.match(bodyOf(text), /hello/);
    }
    assert.ok(isTold());
  });

  test('none accepts: 503 with what each answered', async () => {
    await using bed = await HttpBed.start();
    const [one, two] = [await bed.closedPort(), await bed.closedPort()];
    bed.serve('a.example', [one, two]);
    assert.equal(statusOf(await bed.get('a.example')), 503);
    const line = await bed.log.line(({ level }) => level === 'warn');
    for (const { port } of [one, two])
      assert.ok(line.message.includes(`127.0.0.1:${port} ECONNREFUSED`), line.message);
  });

  test('accepts and closes without a byte: a GET goes to another one, a POST is told 502', async () => {
    await using bed = await HttpBed.start();
    const dead = await bed.rawEndpoint((socket) => socket.once('data', () => socket.destroy()));
    const { at } = await bed.application(answer('alive'));
    for (let i = 0; i < 4; i++) {
      bed.serve('a.example', [dead, at]);
      assert.equal(bodyOf(await bed.get('a.example')), 'alive');
    }
    bed.serve('a.example', [dead]);
    assert.equal(statusOf(await bed.get('a.example')), 502);
    assert.equal(
      statusOf(await bed.raw('POST / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n')),
      502,
    );
  });

  test('a kept-alive connection that has died: a GET is repeated, and nobody notices', async () => {
    await using bed = await HttpBed.start();
    let connections = 0;
    // Answers one request a connection, says nothing of closing, and closes when the next one comes.
    const stale = await bed.rawEndpoint((socket) => {
      connections++;
      let requests = 0;
      socket.on('data', () => {
        if (++requests > 1) socket.destroy();
        else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      });
    }, 'a.example');
    const client = bed.connect();
    for (let i = 0; i < 5; i++) {
      client.write('GET / HTTP/1.1\r\nHost: a.example\r\n\r\n');
      assert.match(await readUntil(client, 'ok'), /^HTTP\/1\.1 200/);
    }
    assert.equal(connections, 5);
    assert.deepEqual(bed.health, []);
    assert.equal(bed.proxy.traffic('a.example')?.endpoints.get(`127.0.0.1:${stale.port}`)?.failures, 0);
  });

  for (const [name, bytes] of [
    ['no HTTP', 'hello\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a folded header', 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n'],
    ['a bare LF', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n'],
    ['a head without end', `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(70_000)}`],
    ['101 unasked', 'HTTP/1.1 101 x\r\nUpgrade: y\r\n\r\n'],
    ['half a head', 'HTTP/1.1 200 OK\r\nConte'],
  ] as const) {
    test(`answers with ${name}: 502`, async () => {
      await using bed = await HttpBed.start();
      await bed.rawEndpoint((socket) => socket.once('data', () => socket.end(bytes, 'latin1')), 'a.example');
      assert.equal(statusOf(await bed.get('a.example')), 502);
      await bed.log.line(({ message, level }) => level === 'warn' && message.startsWith('502'));
    });
  }

  test('does not answer in time: 504, and the connection to it is closed', async () => {
    await using bed = await HttpBed.start({ waits: { answer: 300 } });
    const gone = Promise.withResolvers<void>();
    await bed.rawEndpoint((socket) => {
      socket.resume();
      socket.on('close', () => gone.resolve());
      socket.on('end', () => socket.end());
    }, 'a.example');
    assert.equal(statusOf(await bed.get('a.example')), 504);
    await gone.promise;
  });

  test('breaks off in the middle: the client sees that it was not all', async () => {
    await using bed = await HttpBed.start();
    const part = (head: string) => (socket: import('node:net').Socket) =>
      socket.once('data', () =>
        socket.write(`HTTP/1.1 200 OK\r\n${head}`, () => setImmediate(() => socket.resetAndDestroy())),
      );
    await bed.rawEndpoint(part('Content-Length: 10\r\n\r\nhalf'), 'length.example');
    await bed.rawEndpoint(part('Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'), 'chunked.example');
    const length = await bed.get('length.example');
    assert.match(length, /Content-Length: 10\r\n/);
    assert.ok(bodyOf(length).length < 10);
    assert.doesNotMatch(bodyOf(await bed.get('chunked.example')), /0\r\n\r\n$/);
    assert.equal(bed.proxy.traffic('length.example')?.failures, 1);
  });

  test('a port of IPv6 is dialled as well', async () => {
    await using bed = await HttpBed.start();
    bed.serve('a.example', [endpoint('::1', 9)]);
    assert.equal(statusOf(await bed.get('a.example')), 503);
  });
});
