/** Whole conversations in pieces: whatever the cuts, the messages are the same, and whatever breaks, nothing is left. */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import fc from 'fast-check';
import { resourcesNow } from '../../support/resources.ts';
import { HttpBed, readAll } from './bed.ts';

/** Cuts bytes at the given places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, index) => bytes.subarray(from, [...at, bytes.length][index]));
}

async function writeInPieces(socket: Socket, pieces: readonly Buffer[]): Promise<void> {
  for (const piece of pieces) {
    socket.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const head = (method: string, path: string, more = '') =>
  `${method} ${path} HTTP/1.1\r\nHost: a.example\r\n${more}\r\n`;

test('requests in any pieces arrive as they were sent, and are answered in their order', async () => {
  await using bed = await HttpBed.start();
  await bed.application(async (request, response) => {
    const body = await text(request);
    const { 'x-sum': sum = '' } = request.trailers;
    response.end(`<${request.method} ${request.url} ${body}${sum}>`);
  }, 'a.example');
  const conversation = [
    head('GET', '/1'),
    `${head('POST', '/2', 'Content-Length: 11\r\n')}hello world`,
    `\r\n${head('PUT', '/3', 'Transfer-Encoding: chunked\r\n')}5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 9\r\n\r\n`,
    head('DELETE', '/4', 'Content-Length: 0\r\n'),
    `${head('POST', '/5', 'Transfer-Encoding: chunked\r\n')}0\r\n\r\n`,
    head('GET', '/6', 'Connection: close\r\n'),
  ].join('');
  const expected = [
    '<GET /1 >',
    '<POST /2 hello world>',
    '<PUT /3 hello world9>',
    '<DELETE /4 >',
    '<POST /5 >',
    '<GET /6 >',
  ];
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(conversation.length), { maxLength: 30 }), async (places) => {
      const client = bed.connect();
      const answers = readAll(client);
      await writeInPieces(client, cut(Buffer.from(conversation, 'latin1'), places));
      const said = (await answers).toString('latin1').match(/<[^>]*>/g);
      client.destroy();
      assert.deepEqual(said, expected);
    }),
    { numRuns: 100 },
  );
});

test('answers in any pieces are passed on as they were sent', async () => {
  await using bed = await HttpBed.start();
  const answers = [
    'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;a\r\nllo\r\n0\r\n\r\n',
    'HTTP/1.1 200 OK\r\n\r\nhello',
    'HTTP/1.1 304 Not Modified\r\nETag: "hello"\r\n\r\n',
  ];
  let answer = Buffer.alloc(0);
  let places: readonly number[] = [];
  await bed.rawEndpoint((socket) => {
    socket.once('data', () => void writeInPieces(socket, cut(answer, places)).then(() => socket.end()));
  }, 'a.example');
  const data = (raw: string) => raw.replaceAll(/\r\n[0-9a-f]+\r\n|\r\n/g, '').replace(/^.*chunked/, '');
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...answers),
      fc.array(fc.nat(200), { maxLength: 12 }),
      async (raw, cuts) => {
        answer = Buffer.from(raw, 'latin1');
        places = cuts;
        const got = await bed.get('a.example');
        assert.match(data(got), /hello/);
        assert.match(got, /^HTTP\/1\.1 (103|200|304) /);
      },
    ),
    { numRuns: 100 },
  );
});

test('a thousand conversations that break anywhere, on either side: no connection and no request is left', async () => {
  const backToStart = await resourcesNow();
  {
    await using bed = await HttpBed.start();
    // A seed of its own, so that a failure can be repeated.
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return Math.floor((seed / 2_147_483_648) * below);
    };
    const endings: ((socket: Socket) => void)[] = [
      (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'),
      (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'),
      (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more'),
      (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'),
      (socket) => socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe'),
      (socket) => socket.end('nonsense'),
      (socket) => socket.resetAndDestroy(),
      (socket) => socket.end(),
    ];
    await bed.rawEndpoint((socket) => {
      socket.on('data', () => endings[random(endings.length)]?.(socket));
      socket.on('end', () => socket.end());
    }, 'a.example');
    const requests = [
      head('GET', '/'),
      head('GET', '/') + head('GET', '/'),
      `${head('POST', '/', 'Content-Length: 5\r\n')}hello`,
      `${head('POST', '/', 'Content-Length: 50\r\n')}half`,
      `${head('POST', '/', 'Transfer-Encoding: chunked\r\n')}5\r\nhel`,
      `${head('POST', '/', 'Transfer-Encoding: chunked\r\n')}5\r\nhello\r\n0\r\n\r\n`,
      head('GET', '/', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'),
      'nonsense\r\n\r\n',
    ];
    const one = async () => {
      const client = connect({ host: '127.0.0.1', port: bed.port, allowHalfOpen: true });
      client.on('error', () => {});
      const closed = new Promise((resolve) => client.once('close', resolve));
      client.resume();
      client.write(requests[random(requests.length)] ?? '');
      for (let turns = random(20); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
      if (random(3) === 0) client.resetAndDestroy();
      else client.end();
      await closed;
    };
    for (let round = 0; round < 50; round++) await Promise.all(Array.from({ length: 20 }, one));
    while (bed.proxy.active > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    const traffic = bed.proxy.traffic('a.example');
    assert.equal(traffic?.active, 0);
    assert.deepEqual(
      [...(traffic?.endpoints.values() ?? [])].map(({ active }) => active),
      [0],
    );
  }
  await backToStart();
});

test('a cut after the LF of a line makes no bare LF of it, nor one inside an empty line a request', async () => {
  await using bed = await HttpBed.start();
  await bed.application((_, response) => response.end('served'), 'a.example');
  for (const pieces of [
    ['GET / HTTP/1.1\r\n', 'Host: a.example\r\nConnection: close\r\n\r\n'],
    ['GET / HTTP/1.1\r', '\nHost: a.example\r\nConnection: close\r\n\r\n'],
    ['GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n', '\r\n'],
    ['\r', '\nGET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n'],
  ]) {
    const client = bed.connect();
    const answer = readAll(client);
    for (const piece of pieces) {
      client.write(piece);
      // Long enough that the gateway reads it by itself.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.match((await answer).toString(), /served/, JSON.stringify(pieces));
    client.destroy();
  }
});
