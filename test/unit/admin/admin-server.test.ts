import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { AdminServer, type AdminServerOptions } from '../../../src/admin/admin-server.ts';
import { AppError } from '../../../src/core/errors.ts';
import { BoardBed, redis1 } from '../../support/board-bed.ts';
import { resourcesNow } from '../../support/resources.ts';
import { until } from '../../support/updates.ts';

const password = 's3cret';
const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
const authorization = basic(`admin:${password}`);

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

const started: AdminServer[] = [];
afterEach(async () => {
  for (const server of started.splice(0)) await server.stop();
});

async function start(
  bed = new BoardBed(),
  options: Partial<AdminServerOptions['settings']> & Pick<AdminServerOptions, 'limits'> = {},
): Promise<AdminServer> {
  const { limits, ...settings } = options;
  const server = new AdminServer({
    settings: { port: 0, ...settings },
    board: bed.board,
    logger: bed.log,
    ...(limits === undefined ? {} : { limits }),
  });
  started.push(server);
  await server.start();
  return server;
}

function portOf(server: AdminServer): number {
  return server.address?.port ?? assert.fail('it does not listen');
}

function ask(
  server: AdminServer,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asking = request({ host: '127.0.0.1', port: portOf(server), path, method, headers, agent: false });
    asking.on('error', reject);
    asking.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
      );
    });
    asking.end();
  });
}

/** What a raw connection is sent until it ends. */
async function raw(server: AdminServer, bytes: string): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port: portOf(server), allowHalfOpen: true });
  socket.on('error', () => {});
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  socket.write(bytes);
  await Promise.race([once(socket, 'end'), once(socket, 'close')]);
  socket.destroy();
  return text;
}

describe('AdminServer', () => {
  it('serves the page, its files, JSON and metrics', async () => {
    const bed = new BoardBed();
    bed.backend('redis-descriptor', [redis1]);
    const server = await start(bed);
    const page = await ask(server, '/');
    assert.equal(page.status, 200);
    assert.match(page.text, /redis-descriptor/);
    const files = [...page.text.matchAll(/(?:href|src)="([^"]+)"/g)].map((match) => match[1] ?? '');
    assert.ok(files.includes('style.css') && files.includes('live.js') && files.includes('icon.svg'));
    for (const file of new Set(files)) {
      assert.doesNotMatch(file, /^[a-z]+:|^\//, 'what the page loads comes from where it is itself');
      assert.equal((await ask(server, `/${file}`)).status, 200, file);
    }
    const json = await ask(server, '/status');
    assert.match(json.headers['content-type'] ?? '', /^application\/json/);
    assert.deepEqual(JSON.parse(json.text), bed.board.status());
    const metrics = await ask(server, '/metrics');
    assert.match(metrics.headers['content-type'] ?? '', /^text\/plain; version=0\.0\.4/);
    assert.match(metrics.text, /^nuncio_connections_active 0$/m);
  });

  it('filters the page', async () => {
    const bed = new BoardBed();
    bed.backend('one', [redis1]);
    bed.backend('two', [redis1]);
    const { text } = await ask(await start(bed), '/?q=on%65');
    assert.match(text, /<h3>one<\/h3>/);
    assert.doesNotMatch(text, /<h3>two<\/h3>/);
    assert.match(text, /value="one"/);
  });

  it('forbids the browser everything but its own files', async () => {
    const server = await start();
    for (const path of ['/', '/status', '/live.js', '/nothing', '/healthz']) {
      const { headers } = await ask(server, path);
      const policy = headers['content-security-policy'];
      assert.match(String(policy), /^default-src 'none';/, path);
      assert.doesNotMatch(String(policy), /unsafe|\*|data:/);
      assert.equal(headers['x-content-type-options'], 'nosniff');
      assert.equal(headers['cache-control'], 'no-store');
      assert.equal(headers['referrer-policy'], 'no-referrer');
    }
  });

  it('answers HEAD without a body, and refuses other methods, paths and targets', async () => {
    const server = await start();
    const head = await ask(server, '/', {}, 'HEAD');
    assert.deepEqual([head.status, head.text], [200, '']);
    assert.ok(Number(head.headers['content-length']) > 1000);
    const post = await ask(server, '/', { 'content-length': '0' }, 'POST');
    assert.deepEqual([post.status, post.headers.allow], [405, 'GET, HEAD']);
    assert.equal((await ask(server, '/style.css/../../package.json')).status, 404);
    assert.equal((await ask(server, '/%2e%2e/health-socket.ts')).status, 404);
    assert.match(
      await raw(server, 'GET http://x/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'),
      /^HTTP\/1.1 400 /,
    );
    assert.match(
      await raw(server, 'GET // HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'),
      /^HTTP\/1.1 40[04] /,
    );
  });

  it('says whether it serves and whether it is ready, to whoever asks', async () => {
    const bed = new BoardBed();
    const server = await start(bed, { password });
    const statuses = async () => [
      (await ask(server, '/healthz')).status,
      (await ask(server, '/readyz')).status,
    ];
    assert.deepEqual(await statuses(), [503, 503]);
    bed.board.showServing(() => true);
    assert.deepEqual(await statuses(), [200, 503]);
    bed.board.become('ready');
    assert.deepEqual(await statuses(), [200, 200]);
    bed.board.become('draining');
    assert.deepEqual(await statuses(), [200, 503]);
  });
});

describe('AdminServer, with a password', () => {
  it('listens on every address, and shows nothing without the password', async () => {
    const server = await start(undefined, { password, limits: { refusalMs: 1 } });
    assert.match(server.address?.ip ?? '', /^(::|0\.0\.0\.0)$/);
    for (const path of ['/', '/status', '/metrics', '/style.css', '/live.js', '/nothing']) {
      const refused = await ask(server, path);
      assert.equal(refused.status, 401, path);
      assert.equal(refused.headers['www-authenticate'], 'Basic realm="Nuncio", charset="UTF-8"');
      assert.equal((await ask(server, path, { authorization: basic('admin:wrong') })).status, 401);
      assert.notEqual((await ask(server, path, { authorization })).status, 401);
    }
  });

  it('answers by any name of the host', async () => {
    const server = await start(undefined, { password });
    assert.equal((await ask(server, '/', { authorization, host: 'host.example:8080' })).status, 200);
  });

  it('logs wrong passwords, once in a while, and never the password', async () => {
    const bed = new BoardBed();
    const server = await start(bed, { password, limits: { refusalMs: 1 } });
    for (let time = 0; time < 20; time++) await ask(server, '/', { authorization: basic('admin:guess') });
    await ask(server, '/');
    assert.deepEqual(bed.log.at('warn'), [
      'status page: 1 request(s) with a wrong password since the start, the latest from 127.0.0.1',
    ]);
  });
});

describe('AdminServer, without a password', () => {
  it('listens on loopback only, and says why', async () => {
    const bed = new BoardBed();
    const server = await start(bed);
    assert.equal(server.address?.ip, '127.0.0.1');
    assert.match(bed.log.at('info')[0] ?? '', /^status page on http:\/\/127\.0\.0\.1:\d+\/ \(loopback only/);
  });

  it('answers nobody who was led here by another name', async () => {
    const server = await start();
    for (const path of ['/', '/status', '/metrics', '/live.js']) {
      assert.equal((await ask(server, path, { host: 'evil.example' })).status, 403, path);
      assert.equal((await ask(server, path, { host: 'localhost:8080' })).status, 200, path);
    }
  });
});

describe('AdminServer, its bounds', () => {
  it('refuses a request whose fields are too large', async () => {
    const server = await start();
    const large = `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(9000)}\r\n\r\n`;
    assert.match(await raw(server, large), /^HTTP\/1.1 431 /);
  });

  it('ends a connection whose fields do not come', async () => {
    const server = await start(undefined, { limits: { headersMs: 50 } });
    assert.match(await raw(server, 'GET / HTTP/1.1\r\nHost: local'), /^HTTP\/1.1 408 /);
  });

  it('cuts off a connection that takes its answer too slowly', async () => {
    const bed = new BoardBed();
    // More than the kernel keeps for a socket: some 16 MB, of which this reader would take a chunk in 20 ms.
    for (let number = 0; number < 4000; number++) bed.backend(`${number}${'x'.repeat(4000)}`, [redis1]);
    const server = await start(bed, { limits: { headersMs: 200, answerMs: 200 } });
    const socket = connect(portOf(server), '127.0.0.1');
    socket.on('data', () => {
      socket.pause();
      setTimeout(() => socket.resume(), 20);
    });
    socket.write('GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n');
    const [error] = await once(socket, 'error');
    assert.equal(error.code, 'ECONNRESET');
    assert.ok(socket.bytesRead < 16_000_000, `${socket.bytesRead} bytes were taken`);
  });

  it('closes connections beyond the limit, and serves those within', async () => {
    const server = await start(undefined, { limits: { maxConnections: 2 } });
    const held: Socket[] = [];
    for (let number = 0; number < 2; number++) {
      const socket = connect(portOf(server), '127.0.0.1');
      await once(socket, 'connect');
      held.push(socket);
    }
    await assert.rejects(ask(server, '/'), { code: 'ECONNRESET' });
    for (const socket of held) socket.destroy();
    let answer: Answer | undefined;
    for (let attempt = 0; attempt < 100 && answer === undefined; attempt++) {
      answer = await ask(server, '/').catch(() => undefined);
    }
    assert.equal(answer?.status, 200);
  });
});

describe('AdminServer, start and stop', () => {
  it('cannot start where the port is taken: the error says what to do', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const address = other.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    await assert.rejects(start(undefined, { port }), (error: unknown) => {
      assert.ok(error instanceof AppError);
      assert.equal(error.code, 'ERR_CANNOT_START');
      assert.match(error.message, /127\.0\.0\.1:\d+ for the status page: EADDRINUSE: .*--admin-port/);
      return true;
    });
    other.close();
    await once(other, 'close');
  });

  it('ends every connection and leaves nothing behind', async () => {
    const backToStart = await resourcesNow();
    const bed = new BoardBed();
    const server = await start(bed, { password, limits: { refusalMs: 60_000 } });
    const idle = connect(portOf(server), '127.0.0.1');
    idle.on('error', () => {});
    await once(idle, 'connect');
    const refused = ask(server, '/', { authorization: basic('a:wrong') }).catch(() => {});
    await until(() => bed.log.at('warn').length > 0, 'the wrong password is logged');
    await server.stop();
    await server.stop();
    await refused;
    if (!idle.closed) await once(idle, 'close');
    await backToStart();
  });
});
