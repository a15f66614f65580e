/** The status page of the real image, as a container beside it reaches it. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Ambassador } from './ambassador.ts';
import { caller, nameOfRedis, nodeCaller, redis } from './containers.ts';
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

const adminPort = 8080;

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** What a container gets for a path; its exit tells of a connection that failed. */
async function fetchFrom(from: string, path: string, password?: string): Promise<Answer> {
  const authorization =
    password === undefined ? '' : `Basic ${Buffer.from(`x:${password}`).toString('base64')}`;
  const script = `
    const headers = ${JSON.stringify(authorization === '' ? {} : { authorization })};
    const answer = await fetch('http://backends:${adminPort}${path}', { headers });
    console.log(JSON.stringify({ status: answer.status, text: await answer.text() }));`;
  const { code, stdout, stderr } = await engine.docker.exec(from, [
    'node',
    '--input-type=module',
    '-e',
    script,
  ]);
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Answer;
}

test('the rules leave the port of the status page alone; it shows callers, endpoints and what they carried', async () => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  await Ambassador.start(engine, {
    links: ['redis-1'],
    args: ['--omnimode', '--admin-port', String(adminPort)],
    env: { STATS_PASSWORD: 's3cret' },
  });
  const links = ['backends'];
  await caller(docker, 'shop', { links, env: { BACKEND_6379: 'docker://redis-1', BACKEND_7000: 'redis;' } });
  await nodeCaller(docker, 'reader', { links });
  assert.equal(await nameOfRedis(docker, 'shop'), 'redis-1');

  assert.equal((await fetchFrom('reader', '/healthz')).status, 200);
  await until('it is ready', async () => (await fetchFrom('reader', '/readyz')).status === 200 || undefined);
  for (const path of ['/', '/status', '/metrics']) {
    assert.equal((await fetchFrom('reader', path)).status, 401, path);
    assert.equal((await fetchFrom('reader', path, 'wrong')).status, 401, path);
  }

  const status = JSON.parse((await fetchFrom('reader', '/status', 's3cret')).text);
  assert.equal(status.nuncio.state, 'ready');
  const shop = status.callers.find(({ name }: { name: string }) => name === 'shop');
  assert.deepEqual(
    shop.routes.map(({ port, state }: { port: number; state: string }) => [port, state]),
    [
      [6379, 'up'],
      [7000, 'refused'],
    ],
  );
  const [backend] = status.backends;
  assert.equal(backend.backend, 'docker://redis-1:6379');
  assert.equal(backend.endpoints[0].name, 'redis-1');

  const page = await fetchFrom('reader', '/', 's3cret');
  assert.match(page.text, /docker:\/\/redis-1:6379/);
  for (const file of ['style.css', 'live.js', 'icon.svg']) {
    assert.equal((await fetchFrom('reader', `/${file}`, 's3cret')).status, 200, file);
  }
  const metrics = await fetchFrom('reader', '/metrics', 's3cret');
  assert.match(metrics.text, /^nuncio_endpoint_up\{backend="docker:\/\/redis-1:6379",endpoint="[^"]+"\} 1$/m);
  assert.match(metrics.text, /^nuncio_connections_total 1$/m);
});

test('without a password it answers in its own container alone', async () => {
  const { docker } = engine;
  const ambassador = await Ambassador.start(engine, {
    args: ['--omnimode', '--admin-port', String(adminPort)],
  });
  await nodeCaller(docker, 'reader', { links: ['backends'] });
  await assert.rejects(fetchFrom('reader', '/'), /ECONNREFUSED/);
  const script = `console.log((await fetch('http://127.0.0.1:${adminPort}/status')).status)`;
  const { stdout } = await docker.exec('backends', ['node', '--input-type=module', '-e', script]);
  assert.equal(stdout.trim(), '200');
  assert.equal(await ambassador.end(), 0);
});
