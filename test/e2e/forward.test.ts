/** The static forward, and the command line of the real image: what is printed, and how it ends. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, afterEach, before, test } from 'node:test';
import { Ambassador } from './ambassador.ts';
import type { Outcome } from './command.ts';
import { caller, dialFrom, nameOfRedis, nodeCaller, redis } from './containers.ts';
import type { RunOptions } from './docker.ts';
import { Engine } from './engine.ts';
import { ambassadorImage, copyImages, testImage } from './images.ts';
import { until } from './until.ts';

let engine: Engine;

before(async () => {
  engine = await Engine.start();
  await copyImages(engine, testImage, ambassadorImage);
});
afterEach(() => engine.docker.clear());
after(() => engine.close());

const links = ['backends'];
/** No engine's socket, no rights: a forward needs neither. */
const plain = { socket: false, netAdmin: false };

/** The image with these arguments, to its end. */
function nuncio(args: readonly string[], more: Omit<RunOptions, 'image' | 'args'> = {}): Promise<Outcome> {
  return engine.docker.runToEnd({ image: ambassadorImage, args, ...more });
}

test("a forward listens on its first backend's port and leads everybody there", async () => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  const backend = 'redis-1:6379';
  const ambassador = await Ambassador.start(engine, { ...plain, links: ['redis-1'], args: [backend] });
  await caller(docker, 'caller', { links });
  assert.equal(await nameOfRedis(docker, 'caller'), 'redis-1');
  const line = await ambassador.connection({ backend });
  assert.equal(line.end, 'closed');

  const { stdout } = await until('a healthy answer', async () => {
    const outcome = await ambassador.health();
    return outcome.code === 0 ? outcome : undefined;
  });
  assert.match(stdout, /listening on \[::\]:6379/);
  assert.equal(await ambassador.end(), 0);
});

test('PORT names the port of a forward, and a flag beats it', async () => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  const settings = { ...plain, links: ['redis-1'], env: { PORT: '10000' } };
  await Ambassador.start(engine, { ...settings, args: ['redis-1:6379'] });
  await Ambassador.start(engine, { ...settings, name: 'other', args: ['redis-1:6379', '--port', '7000'] });
  await nodeCaller(docker, 'caller', { links: ['backends', 'other'] });
  await caller(docker, 'asker', { links: ['backends', 'other'] });
  assert.equal(await nameOfRedis(docker, 'asker', { port: 10_000 }), 'redis-1');
  assert.equal(await dialFrom(docker, 'caller', 'backends', 6379), 'ECONNREFUSED');
  assert.equal(await nameOfRedis(docker, 'asker', { host: 'other', port: 7000 }), 'redis-1');
  assert.equal(await dialFrom(docker, 'caller', 'other', 10_000), 'ECONNREFUSED');
});

test('a forward to docker://name follows the containers of that name', async () => {
  const { docker } = engine;
  const ambassador = await Ambassador.start(engine, { netAdmin: false, args: ['docker://redis-1:6379'] });
  await nodeCaller(docker, 'dialler', { links });
  assert.equal(await dialFrom(docker, 'dialler', 'backends', 6379), 'ECONNRESET');

  const mark = await ambassador.mark();
  await redis(docker, 'redis-1');
  await caller(docker, 'caller', { links });
  await ambassador.line(/backend docker:\/\/redis-1:6379: redis-1 /, mark);
  assert.equal(await nameOfRedis(docker, 'caller'), 'redis-1');
});

test('--version and --help print and end with 0', async () => {
  const manifest = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
  assert.deepEqual(await nuncio(['--version']), { code: 0, stdout: `${manifest.version}\n`, stderr: '' });
  const help = await nuncio(['--help']);
  assert.equal(help.code, 0, help.stderr);
  for (const word of ['--omnimode', '--setup-iptables', '--drain', 'DOCKER_HOST', 'Exit codes']) {
    assert.ok(help.stdout.includes(word), word);
  }
});

test('wrong usage ends with 2, and names every mistake', async () => {
  const mistyped = await nuncio(['--omnimod']);
  assert.equal(mistyped.code, 2);
  assert.match(mistyped.stderr, /--omnimod: no such flag; did you mean --omnimode\?/);
  const several = await nuncio(['--omnimode', '--dnta', '--port', 'ten'], { env: { LOG_LEVEL: 'loud' } });
  assert.equal(several.code, 2);
  assert.match(several.stderr, /--dnta: no such flag; did you mean --dnat\?/);
  assert.match(several.stderr, /--port: expected a port \(1 to 65535\), found "ten"/);
  assert.match(several.stderr, /LOG_LEVEL in the environment: expected one of .*, found "loud"/);

  const nothing = await nuncio([]);
  assert.equal(nothing.code, 2);
  assert.match(nothing.stderr, /nothing to do/);
  const descriptor = await nuncio(['redis-1:six']);
  assert.equal(descriptor.code, 2);
  assert.match(descriptor.stderr, /column 9: expected a port .*\nnuncio: {3}redis-1:six\nnuncio: {11}\^\n/);
});

/** What a failed start says: its one line on standard error. */
function complaint({ code, stderr }: Outcome): string {
  assert.equal(code, 1, stderr);
  assert.equal(stderr.trimEnd().split('\n').length, 1, stderr);
  assert.match(stderr, /^nuncio: /);
  return stderr;
}

test('what cannot run ends with 1 and one line that says what to do', async () => {
  const noSocket = complaint(await nuncio(['--omnimode']));
  assert.match(noSocket, /\/var\/run\/docker\.sock/);
  assert.match(noSocket, /-v \/var\/run\/docker\.sock:\/var\/run\/docker\.sock/);
  assert.match(complaint(await nuncio(['--setup-iptables'])), /NET_ADMIN/);
  assert.match(complaint(await nuncio(['--health'])), /no nuncio is running here/);
});

test('a port that is taken ends the second ambassador of a network, not the first', async () => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  await Ambassador.start(engine, { ...plain, links: ['redis-1'], args: ['redis-1:6379', '--port', '7000'] });
  const second = await nuncio(['10.0.0.1:7000'], { network: 'container:backends' });
  assert.match(complaint(second), /7000/);
  await caller(docker, 'caller', { links });
  assert.equal(await nameOfRedis(docker, 'caller', { port: 7000 }), 'redis-1');
});
