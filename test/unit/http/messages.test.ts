import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Agent, request as httpRequest } from 'node:http';
import type { Socket } from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { suite, test } from 'node:test';
import { bodyOf, HttpBed, readAll, readUntil, statusOf } from './bed.ts';

const post = 'POST / HTTP/1.1\r\nHost: a.example\r\n';

suite('messages', () => {
  test('a response goes through as it is, Date and Server untouched', async () => {
    await using bed = await HttpBed.start();
    const head =
      'HTTP/1.1 201 Made It\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nServer: mine/1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n';
    await bed.rawEndpoint((socket) => {
      socket.once('data', () =>
        socket.write(
          `${head}Keep-Alive: timeout=5\r\nConnection: X-Hop\r\nX-Hop: 1\r\nContent-Length: 2\r\n\r\nok`,
        ),
      );
    }, 'a.example');
    assert.equal(await bed.get('a.example'), `${head}Content-Length: 2\r\nConnection: close\r\n\r\nok`);
  });

  for (const [name, head, body, sent] of [
    [
      'chunked stays chunked',
      'Transfer-Encoding: chunked\r\n',
      '5\r\nhello\r\n0\r\nX-Sum: 9\r\n\r\n',
      '5\r\nhello\r\n0\r\nX-Sum: 9\r\n\r\n',
    ],
    ['until the end becomes chunked', '', 'hello', '5\r\nhello\r\n0\r\n\r\n'],
    ['a length stays a length', 'Content-Length: 5\r\n', 'hello', 'hello'],
  ] as const) {
    test(`to HTTP/1.1, ${name}; to HTTP/1.0, it is plain bytes`, async () => {
      await using bed = await HttpBed.start();
      await bed.rawEndpoint((socket) => {
        socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\n${head}\r\n${body}`));
      }, 'a.example');
      assert.equal(bodyOf(await bed.get('a.example')), sent);
      const old = await bed.raw('GET / HTTP/1.0\r\nHost: a.example\r\n\r\n');
      assert.equal(bodyOf(old), 'hello');
      assert.doesNotMatch(old, /Transfer-Encoding/);
      assert.match(old, /^HTTP\/1\.1 200 OK\r\n(.*\r\n)*Connection: close\r\n/);
    });
  }

  test('HEAD, 204 and 304 have no body and the connection goes on', async () => {
    await using bed = await HttpBed.start();
    await bed.application((request, response) => {
      if (request.method === 'HEAD') response.setHeader('Content-Length', '1000').end();
      else if (request.url === '/304') response.writeHead(304, { ETag: '"x"' }).end();
      else response.writeHead(204).end();
    }, 'a.example');
    const client = bed.connect();
    const ask = async (line: string) => {
      client.write(`${line} HTTP/1.1\r\nHost: a.example\r\n\r\n`);
      return await readUntil(client, '\r\n\r\n');
    };
    const head = await ask('HEAD /');
    assert.match(head, /^HTTP\/1\.1 200[\s\S]*\r\nContent-Length: 1000\r\n/);
    assert.equal(bodyOf(head), '');
    const empty = await ask('GET /204');
    assert.match(empty, /^HTTP\/1\.1 204/);
    assert.doesNotMatch(empty, /Content-Length|Transfer-Encoding/);
    assert.match(await ask('GET /304'), /^HTTP\/1\.1 304[\s\S]*ETag: "x"\r\n/);
    assert.match(await ask('GET /again'), /^HTTP\/1\.1 204/);
  });

  test('HEAD of an unknown domain: the page stays here, the connection goes on', async () => {
    await using bed = await HttpBed.start();
    const client = bed.connect();
    client.write('HEAD / HTTP/1.1\r\nHost: b\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n');
    const answer = (await readAll(client)).toString('latin1');
    assert.match(answer, /^HTTP\/1\.1 404 [^<]*\r\n\r\nHTTP\/1\.1 404 [^<]*\r\n\r\n<!doctype/);
  });

  test('Expect: 100-continue waits for the endpoint, and its 100 comes through', async () => {
    await using bed = await HttpBed.start();
    const { server } = await bed.application(
      async (request, response) => response.end(await text(request)),
      'a.example',
    );
    server.on('checkContinue', (request, response) => {
      response.writeContinue();
      server.emit('request', request, response);
    });
    const client = bed.connect();
    client.write(`${post}Expect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n`);
    assert.equal(await readUntil(client, '\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n');
    client.write('hello');
    assert.match(await readUntil(client, 'hello'), /^HTTP\/1\.1 200/);
  });

  test('an endpoint that will not have the body answers at once, and the client is told to go', async () => {
    await using bed = await HttpBed.start();
    await bed.rawEndpoint((socket) => {
      socket.once('data', () => socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno'));
    }, 'a.example');
    const answer = await bed.raw(`${post}Content-Length: 100000\r\n\r\nthe beginning`);
    assert.match(answer, /^HTTP\/1\.1 413 [\s\S]*Connection: close\r\n\r\nno$/);
  });

  test('early hints come through, but not to HTTP/1.0', async () => {
    await using bed = await HttpBed.start();
    await bed.rawEndpoint((socket) => {
      socket.on('data', () =>
        socket.write(
          'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
        ),
      );
    }, 'a.example');
    assert.match(
      await bed.get('a.example'),
      /^HTTP\/1\.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP\/1\.1 200 OK/,
    );
    assert.match(await bed.raw('GET / HTTP/1.0\r\nHost: a.example\r\n\r\n'), /^HTTP\/1\.1 200 OK/);
  });

  test('requests that come at once are answered in their order', async () => {
    await using bed = await HttpBed.start();
    await bed.application(async (request, response) => {
      await text(request);
      // The first one is slow.
      const finish = () => response.end(`[${request.url}]`);
      if (request.url === '/0') setImmediate(() => setImmediate(finish));
      else finish();
    }, 'a.example');
    const requests = Array.from({ length: 200 }, (_, i) =>
      i % 3 === 1
        ? `POST /${i} HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`
        : `GET /${i} HTTP/1.1\r\nHost: a.example\r\n\r\n`,
    );
    const client = bed.connect();
    client.end(requests.join(''));
    const answers = (await readAll(client)).toString('latin1').match(/\[\/\d+\]/g);
    assert.deepEqual(
      answers,
      requests.map((_, i) => `[/${i}]`),
    );
  });

  test('HTTP/1.0 with keep-alive is kept', async () => {
    await using bed = await HttpBed.start();
    await bed.application((_, response) => response.setHeader('Content-Length', 2).end('ok'), 'a.example');
    const client = bed.connect();
    for (let i = 0; i < 3; i++) {
      client.write('GET / HTTP/1.0\r\nHost: a.example\r\nConnection: keep-alive\r\n\r\n');
      assert.match(await readUntil(client, 'ok'), /\r\nConnection: keep-alive\r\n/);
    }
  });

  test('a client that has said all and ends its side still gets its answer', async () => {
    await using bed = await HttpBed.start();
    await bed.application((_, response) => setImmediate(() => response.end('late')), 'a.example');
    const client = bed.connect();
    client.end('GET / HTTP/1.1\r\nHost: a.example\r\n\r\n');
    assert.match((await readAll(client)).toString(), /late/);
  });

  test('a client that goes: the endpoint is left as well', async () => {
    await using bed = await HttpBed.start();
    const came = Promise.withResolvers<Socket>();
    await bed.rawEndpoint((socket) => {
      socket.once('data', () => came.resolve(socket));
    }, 'a.example');
    const client = bed.connect();
    client.write('GET / HTTP/1.1\r\nHost: a.example\r\n\r\n');
    const upstream = await came.promise;
    client.resetAndDestroy();
    upstream.resume();
    await once(upstream, 'end');
  });

  test('a request whose body stops in the middle never looks whole to the endpoint', async () => {
    await using bed = await HttpBed.start();
    const came = Promise.withResolvers<Socket>();
    await bed.rawEndpoint((socket) => socket.once('data', () => came.resolve(socket)), 'a.example');
    const client = bed.connect();
    client.end(`${post}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`);
    const upstream = await came.promise;
    assert.doesNotMatch((await readAll(upstream)).toString(), /\r\n0\r\n/);
  });
});

suite('bodies of any size', () => {
  const bytes = randomBytes(8 * 1024 * 1024);
  const sum = (data: Buffer) => createHash('sha256').update(data).digest('hex');

  for (const framing of ['length', 'chunked'] as const) {
    test(`8 MB both ways by ${framing}, to a slow reader, over one connection`, async () => {
      await using bed = await HttpBed.start();
      await bed.application((request, response) => {
        if (framing === 'length') response.setHeader('Content-Length', bytes.length);
        request.pipe(response);
      }, 'a.example');
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      for (let round = 0; round < 2; round++) {
        const headers = {
          Host: 'a.example',
          ...(framing === 'length' ? { 'Content-Length': bytes.length } : {}),
        };
        const call = httpRequest({ port: bed.port, host: '127.0.0.1', method: 'POST', agent, headers });
        for (let at = 0; at < bytes.length; at += 100_001) call.write(bytes.subarray(at, at + 100_001));
        call.end();
        const [response] = await once(call, 'response');
        response.pause();
        await new Promise((resolve) => setImmediate(resolve));
        assert.equal(sum(await buffer(response)), sum(bytes));
      }
      agent.destroy();
      const traffic = bed.proxy.traffic('a.example');
      assert.ok(
        traffic !== undefined && traffic.bytesUp > 2 * bytes.length && traffic.bytesDown > 2 * bytes.length,
      );
      assert.equal(bed.proxy.status.accepted, 1);
      assert.equal(traffic.active, 0);
    });
  }

  test('a client that does not read stops the endpoint', async () => {
    await using bed = await HttpBed.start();
    let sent = 0;
    const piece = Buffer.alloc(65_536);
    const blocked = Promise.withResolvers<void>();
    await bed.application((_, response) => {
      const more = () => {
        while (response.write(piece)) {
          sent += piece.length;
          assert.ok(sent < 1e9, 'somebody keeps all this');
        }
        sent += piece.length;
        // Nothing drains for a while: the way is full.
        const timer = setTimeout(() => blocked.resolve(), 300);
        response.once('drain', () => {
          clearTimeout(timer);
          more();
        });
      };
      more();
    }, 'a.example');
    const client = bed.connect();
    client.pause();
    client.write('GET / HTTP/1.1\r\nHost: a.example\r\n\r\n');
    await blocked.promise;
    assert.ok(sent < 50e6, `${sent} bytes were taken without a reader`);
  });

  test('an endpoint that does not read stops the client', async () => {
    await using bed = await HttpBed.start();
    await bed.rawEndpoint((socket) => socket.pause(), 'a.example');
    const client = bed.connect();
    client.write(`${post}Content-Length: 1000000000\r\n\r\n`);
    const piece = Buffer.alloc(65_536);
    let sent = 0;
    for (;;) {
      sent += piece.length;
      if (client.write(piece)) continue;
      const drained = await Promise.race([
        once(client, 'drain').then(() => true),
        new Promise<boolean>((resolve) => setTimeout(resolve, 300, false)),
      ]);
      if (!drained) break;
      assert.ok(sent < 100e6, 'somebody keeps all this');
    }
    assert.ok(sent < 50e6);
  });
});

suite('other protocols', () => {
  const upgrade =
    'GET /ws HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n';

  test('101, then bytes both ways: those sent ahead, half-close, and the count', async () => {
    await using bed = await HttpBed.start();
    await bed.rawEndpoint((socket) => {
      socket.once('data', (chunk: Buffer) => {
        assert.match(chunk.toString(), /\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n/);
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst',
        );
        socket.on('data', (data: Buffer) => socket.write(`[${data}]`));
        socket.on('end', () => socket.end('last'));
      });
    }, 'a.example');
    const client = bed.connect();
    client.write(`${upgrade}ahead`);
    assert.match(
      await readUntil(client, '[ahead]'),
      /^HTTP\/1\.1 101 [\s\S]*Upgrade: websocket\r\n\r\nfirst\[ahead\]$/,
    );
    client.write('more');
    assert.equal(await readUntil(client, ']'), '[more]');
    client.end();
    assert.equal((await readAll(client)).toString(), 'last');
    const traffic = bed.proxy.traffic('a.example');
    assert.equal(traffic?.active, 0);
    assert.equal(traffic?.answers[1], 1);
  });

  test('refused: an ordinary answer, and the connection goes on', async () => {
    await using bed = await HttpBed.start();
    await bed.rawEndpoint(
      (socket) => socket.on('data', () => socket.write('HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno')),
      'a.example',
    );
    const client = bed.connect();
    for (let i = 0; i < 2; i++) {
      client.write(upgrade);
      assert.equal(statusOf(await readUntil(client, '\r\n\r\nno')), 403);
    }
  });

  test('a side that breaks takes the other along', async () => {
    await using bed = await HttpBed.start();
    const upstream = Promise.withResolvers<Socket>();
    await bed.rawEndpoint((socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
        upstream.resolve(socket);
      });
    }, 'a.example');
    const client = bed.connect();
    client.write(upgrade);
    await readUntil(client, '\r\n\r\n');
    const closed = new Promise((resolve) => client.once('close', resolve));
    (await upstream.promise).resetAndDestroy();
    await closed;
  });
});
