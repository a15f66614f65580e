/** The real image with the real registries: what a container names is found, followed, and outlives a registry. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { Ambassador } from './ambassador.ts';
import { caller, nameOfRedis, redis } from './containers.ts';
import { Engine } from './engine.ts';
import { ambassadorImage, copyImages, testImage } from './images.ts';
import { Registries } from './registries.ts';
import { until } from './until.ts';

let engine: Engine;
let registries: Registries;
/** Files that descriptors may name. */
let files: string;

const links = ['backends'];

before(async () => {
  engine = await Engine.start();
  files = await mkdtemp(join(tmpdir(), 'nce-files-'));
  await copyImages(engine, testImage, ambassadorImage);
  registries = await Registries.start(engine);
});
afterEach(() => engine.docker.clear());
after(async () => {
  await registries?.close();
  await engine?.close();
  if (files !== undefined) await rm(files, { recursive: true, force: true });
});

test('each container reaches what its own registry says: etcd, Consul, SRV, a file, a service of embassy', async () => {
  const { docker } = engine;
  const { host } = registries;
  const names = ['of-etcd', 'of-kv', 'of-catalog', 'of-file'] as const;
  await Promise.all(names.map((name) => redis(docker, name)));
  const at = async (name: string) => `${(await docker.addresses(name)).ipv4}:6379`;
  const catalogIp = (await docker.addresses('of-catalog')).ipv4;
  await registries.etcd(
    'put',
    '/services/redis/one',
    JSON.stringify({ host: (await at('of-etcd')).split(':')[0], port: 6379 }),
  );
  await registries.consul('kv', 'put', 'services/redis', await at('of-kv'));
  await registries.consul('services', 'register', '-name=redis', `-address=${catalogIp}`, '-port=6379');
  await writeFile(join(files, 'redis'), `${await at('of-file')}\n`);

  await Ambassador.start(engine, {
    args: [
      '--omnimode',
      '--dns',
      `${host}:8600`,
      '--discovery',
      `etcd://${host}:2379`,
      '--file-root',
      '/files',
    ],
    volumes: [`${files}:/files:ro`],
  });
  const expected: readonly [descriptor: string, name: string][] = [
    [`etcd://${host}:2379/services/redis`, 'of-etcd'],
    [`consul://${host}:8500/services/redis`, 'of-kv'],
    [`consul-service://${host}:8500/redis`, 'of-catalog'],
    ['redis.service.consul', 'of-catalog'],
    ['file:///files/redis', 'of-file'],
    ['/services/redis;6379', 'of-etcd'],
  ];
  for (const [index, [descriptor, name]] of expected.entries()) {
    await caller(docker, `caller-${index}`, { links, env: { BACKEND_6379: descriptor } });
    assert.equal(await nameOfRedis(docker, `caller-${index}`), name, descriptor);
  }
});

test('etcd moves a service, dies, and comes back: every call is served', async () => {
  const { docker } = engine;
  const { host } = registries;
  await Promise.all(['first', 'second'].map((name) => redis(docker, name)));
  const at = async (name: string) => `${(await docker.addresses(name)).ipv4}:6379`;
  await registries.etcd('put', '/moving', await at('first'));
  const ambassador = await Ambassador.start(engine);
  await caller(docker, 'caller', { links, env: { BACKEND_6379: `etcd://${host}:2379/moving` } });
  const reaches = (name: string) =>
    until(`a call reaches ${name}`, async () => {
      const answer = await nameOfRedis(docker, 'caller');
      assert.ok(['first', 'second'].includes(answer), answer);
      return answer === name ? true : undefined;
    });
  await reaches('first');
  await registries.etcd('put', '/moving', await at('second'));
  await reaches('second');
  await registries.killEtcd();
  await ambassador.line(/its last 1 endpoint\(s\) stay/);
  for (let call = 0; call < 5; call++) assert.equal(await nameOfRedis(docker, 'caller'), 'second');
  await registries.startEtcd();
  await registries.etcd('put', '/moving', await at('first'));
  await reaches('first');
});

test('resolve shows in the container what a descriptor comes to, and where a wrong one is wrong', async () => {
  const { docker } = engine;
  const { host } = registries;
  await redis(docker, 'shown');
  const { ipv4 } = await docker.addresses('shown');
  await registries.etcd('put', '/shown', `${ipv4}:6379,${ipv4}:1`);
  await Ambassador.start(engine);
  const shown = await docker.exec('backends', ['/start', 'resolve', `etcd://${host}:2379/shown`]);
  assert.equal(shown.code, 0, shown.stderr);
  assert.match(shown.stdout, new RegExp(`${ipv4}:6379 .*accepts in`));
  assert.match(shown.stdout, new RegExp(`${ipv4}:1 .*down, ECONNREFUSED`));
  const wrong = await docker.exec('backends', ['/start', 'resolve', 'redis-1:6379,']);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /column 14: expected a host name/);
  const none = await docker.exec('backends', ['/start', 'resolve', `etcd://${host}:1/shown`]);
  assert.equal(none.code, 1);
  assert.match(none.stderr, /cannot be reached/);
});
