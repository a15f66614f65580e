import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { suite, test } from 'node:test';
import { HttpBed, readAll, readUntil, statusOf } from './bed.ts';

const get = 'GET / HTTP/1.1\r\nHost: a.example\r\n\r\n';

suite('what is waited for has an end', () => {
  test('a head: 408', async () => {
    await using bed = await HttpBed.start({ waits: { head: 300 } });
    assert.equal(statusOf(await bed.raw('GET / HTTP/1.1\r\nHo')), 408);
  });

  test('a head that comes drop by drop has no more time', async () => {
    await using bed = await HttpBed.start({ waits: { head: 300 } });
    const client = bed.connect();
    const drops = setInterval(() => client.write('X'), 20);
    client.write('GET / HTTP/1.1\r\nX: ');
    const answer = await readAll(client);
    clearInterval(drops);
    assert.equal(statusOf(answer.toString()), 408);
  });

  test('a body: 408', async () => {
    await using bed = await HttpBed.start({ waits: { body: 300 } });
    await bed.application((request) => request.on('error', () => {}), 'a.example');
    assert.equal(
      statusOf(await bed.raw('POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhe')),
      408,
    );
  });

  test('the next request: closed without a word', async () => {
    await using bed = await HttpBed.start({ waits: { idle: 300 } });
    await bed.application((_, response) => response.end('ok'), 'a.example');
    assert.equal(await bed.raw(''), '');
    assert.equal((await bed.raw(get)).match(/HTTP\/1\.1 /g)?.length, 1);
  });

  test('the rest of a response', async () => {
    await using bed = await HttpBed.start({ waits: { down: 300 } });
    await bed.rawEndpoint(
      (socket) => socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf')),
      'a.example',
    );
    assert.match(await bed.raw(get), /half$/);
    await bed.log.line(({ message }) => message.startsWith('cut off: GET a.example/: the response stopped'));
  });

  test('a client that does not close after a refusal', async () => {
    await using bed = await HttpBed.start({ waits: { closing: 300 } });
    const client = bed.connect();
    client.write('BAD\r\n\r\n');
    await readAll(client);
    while (bed.proxy.active > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  });
});

suite('numbers', () => {
  test('one connection more than allowed is reset, with one line', async () => {
    await using bed = await HttpBed.start({ maxConnections: () => 2 });
    await bed.application((_, response) => response.end('ok'), 'a.example');
    const two = [bed.connect(), bed.connect()];
    for (const client of two) {
      client.write(get);
      await readUntil(client, 'ok');
    }
    const third = bed.connect();
    await new Promise((resolve) => third.once('close', resolve));
    assert.equal(bed.log.at('error').length, 1);
  });

  test('idle connections to an endpoint: kept for the next request, and bounded', async () => {
    await using bed = await HttpBed.start();
    let connections = 0;
    const waiting: (() => void)[] = [];
    const { server } = await bed.application(
      (_, response) => waiting.push(() => response.end('ok')),
      'a.example',
    );
    server.on('connection', () => connections++);
    const clients = Array.from({ length: 80 }, () => bed.connect());
    for (const client of clients) client.write(get);
    while (waiting.length < 80) await once(server, 'request');
    for (const finish of waiting.splice(0)) finish();
    await Promise.all(clients.map((client) => readUntil(client, 'ok')));
    assert.equal(connections, 80);
    assert.equal(bed.proxy.status.keptAlive, 64);
    for (let i = 0; i < 5; i++) {
      const asked = once(server, 'request');
      clients[0]?.write(get);
      await asked;
      waiting.pop()?.();
      await readUntil(clients[0] as Socket, 'ok');
    }
    assert.equal(connections, 80, 'no connection more');
  });

  test('a flood of refusals is not a flood of lines', async () => {
    await using bed = await HttpBed.start();
    const client = bed.connect();
    client.end('GET / HTTP/1.1\r\nHost: nobody\r\n\r\n'.repeat(500));
    const answers = (await readAll(client)).toString().match(/^HTTP\/1\.1 404/gm);
    assert.equal(answers?.length, 500);
    assert.ok(bed.log.at('info').length <= 40);
    await bed.log.line(({ message }) => /^\d+ more requests were refused within a second$/.test(message));
  });
});

suite('the end', () => {
  test('requests under way finish, with Connection: close; idle connections are closed; then nothing is left', async () => {
    await using bed = await HttpBed.start();
    const finish = Promise.withResolvers<void>();
    const { server } = await bed.application(async (request, response) => {
      if (request.url === '/slow') await finish.promise;
      response.end('ok');
    }, 'a.example');
    const idle = bed.connect();
    idle.write(get);
    await readUntil(idle, 'ok');
    const slow = bed.connect();
    slow.write('GET /slow HTTP/1.1\r\nHost: a.example\r\n\r\n');
    await once(server, 'request');
    const ended = once(idle, 'end');
    idle.resume();
    const stopped = bed.proxy.stop(10_000);
    await ended;
    idle.end();
    const refused = bed.connect();
    const [error] = await once(refused, 'error');
    assert.equal((error as NodeJS.ErrnoException).code, 'ECONNREFUSED');
    finish.resolve();
    assert.match((await readAll(slow)).toString(), /\r\nConnection: close\r\n[\s\S]*ok$/);
    slow.end();
    await stopped;
    assert.equal(bed.proxy.active, 0);
    assert.equal(bed.proxy.status.keptAlive, 0);
  });

  test('what does not finish is cut off at the deadline', async () => {
    await using bed = await HttpBed.start();
    const { server } = await bed.application(() => {}, 'a.example');
    const client = bed.connect();
    client.write(get);
    await once(server, 'request');
    const closed = readAll(client);
    await bed.proxy.stop(100);
    assert.equal((await closed).length, 0);
    assert.equal(bed.proxy.active, 0);
  });

  test('an open WebSocket is cut off at the deadline too', async () => {
    await using bed = await HttpBed.start();
    await bed.rawEndpoint((socket) => {
      socket.once('data', () =>
        socket.write('HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'),
      );
    }, 'a.example');
    const client = bed.connect();
    client.write('GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    await readUntil(client, '\r\n\r\n');
    const closed = new Promise((resolve) => client.once('close', resolve));
    client.resume();
    await bed.proxy.stop(100);
    await closed;
    assert.equal(bed.proxy.active, 0);
  });
});
