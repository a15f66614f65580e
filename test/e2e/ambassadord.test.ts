/** ambassadord's README, command by command: the image's name is changed and nothing else. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Ambassador } from './ambassador.ts';
import { caller, nameOfRedis, page, redis, web } from './containers.ts';
import { Engine } from './engine.ts';
import { ambassadorImage, copyImages, testImage } from './images.ts';
import { runnable } from './privileged.ts';
import { Registries } from './registries.ts';
import { until } from './until.ts';

let engine: Engine;
let registries: Registries;

before(async () => {
  engine = await Engine.start();
  await copyImages(engine, testImage, ambassadorImage);
  registries = await Registries.start(engine);
});
afterEach(() => engine.docker.clear());
after(async () => {
  await registries?.close();
  await engine?.close();
});

/** The image as ambassadord was run in standard mode: no engine's socket, no rights. */
const standard = { socket: false, netAdmin: false, name: 'ambassador' };
const links = ['ambassador:redis'];
const expose = (...ports: readonly number[]) => ports.flatMap((port) => ['--expose', String(port)]);

/** What a container on the engine's bridge has as its address. */
async function ipOf(container: string): Promise<string> {
  return (await engine.docker.addresses(container)).ipv4;
}

/** Whom a new connection of the caller's reaches through the ambassador, in the end. */
function reaches(name: string, port: number): Promise<true> {
  return until(`a call reaches ${name}`, async () => {
    return (await nameOfRedis(engine.docker, 'caller', { host: 'redis', port })) === name || undefined;
  });
}

test('an address: --expose 8080 IMAGE IP:8080 listens on 8080', async () => {
  const { docker } = engine;
  await web(docker, 'web', { port: 8080 });
  const args = [`${await ipOf('web')}:8080`];
  await Ambassador.start(engine, { ...standard, flags: expose(8080), args });
  await caller(docker, 'caller', { links: ['ambassador:web'] });
  assert.equal(await page(docker, 'caller', 'http://web:8080/'), 'web');
});

test('a name, and several with commas: --expose 6379 IMAGE redis-1.example.com:6379,redis-2.example.com:6379', async () => {
  const { docker } = engine;
  await Promise.all(['redis-1', 'redis-2'].map((name) => redis(docker, name)));
  for (const name of ['redis-1', 'redis-2']) await registries.name(`${name}.example.com`, await ipOf(name));
  await registries.name('redis.example.com', await ipOf('redis-1'));
  const flags = [...expose(6379), '--dns', registries.host];
  await Ambassador.start(engine, {
    ...standard,
    flags,
    args: ['redis-1.example.com:6379,redis-2.example.com:6379'],
  });
  await Ambassador.start(engine, { ...standard, name: 'other', flags, args: ['redis.example.com:6379'] });
  await caller(docker, 'caller', { links: [...links, 'other'] });
  const called = [0, 1].map(() => nameOfRedis(docker, 'caller', { host: 'redis' }));
  assert.deepEqual((await Promise.all(called)).sort(), ['redis-1', 'redis-2']);
  assert.equal(await nameOfRedis(docker, 'caller', { host: 'other' }), 'redis-1');
});

test('a link: --link redis:redis IMAGE --links follows the linked container to its next address', async () => {
  const { docker } = engine;
  await redis(docker, 'redis', { flags: expose(6379) });
  const first = await ipOf('redis');
  await Ambassador.start(engine, {
    ...standard,
    links: ['redis:redis'],
    flags: expose(6379),
    args: ['--links'],
  });
  await caller(docker, 'caller', { links });
  assert.equal(await nameOfRedis(docker, 'caller', { host: 'redis' }), 'redis');

  // Somebody else gets the address while the linked container is away.
  await docker.cli(['stop', '--time', '1', 'redis']);
  await redis(docker, 'heir');
  assert.equal(await ipOf('heir'), first);
  await docker.cli(['start', 'redis']);
  assert.notEqual(await ipOf('redis'), first);
  await docker.exec('redis', ['redis-cli', 'set', 'name', 'moved']);
  await reaches('moved', 6379);
});

test('two links: --expose 6379 --expose 8080 --link redis:redis --link http:http IMAGE --links', async () => {
  const { docker } = engine;
  await redis(docker, 'redis', { flags: expose(6379) });
  await web(docker, 'http', { port: 8080, flags: expose(8080) });
  await Ambassador.start(engine, {
    ...standard,
    links: ['redis:redis', 'http:http'],
    flags: expose(6379, 8080),
    args: ['--links'],
  });
  await caller(docker, 'caller', { links: ['ambassador:redis', 'ambassador:http'] });
  assert.equal(await nameOfRedis(docker, 'caller', { host: 'redis' }), 'redis');
  assert.equal(await page(docker, 'caller', 'http://http:8080/'), 'http');
});

test('on a network of their own, where Docker sets no link environment: --links redis:6379,http:8080', async () => {
  const { docker } = engine;
  await docker.createNetwork('own');
  const network = 'own';
  await redis(docker, 'redis', { network });
  await web(docker, 'http', { port: 8080, network });
  const bare = await docker.runToEnd({ image: ambassadorImage, network, args: ['--links'] });
  assert.equal(bare.code, 2);
  assert.match(bare.stderr, /name them, as in --links redis:6379,web:80/);

  await Ambassador.start(engine, { ...standard, network, args: ['--links', 'redis:6379,http:8080'] });
  await caller(docker, 'caller', { network });
  assert.equal(await nameOfRedis(docker, 'caller', { host: 'ambassador' }), 'redis');
  assert.equal(await page(docker, 'caller', 'http://ambassador:8080/'), 'http');
});

test("IMAGE redis.service.consul listens on 10000 and follows Consul's SRV records", async () => {
  const { docker } = engine;
  await Promise.all(['redis-1', 'redis-2'].map((name) => redis(docker, name)));
  const register = async (name: string) =>
    registries.consul('services', 'register', '-name=redis', `-address=${await ipOf(name)}`, '-port=6379');
  await register('redis-1');
  const args = ['redis.service.consul'];
  await Ambassador.start(engine, { ...standard, flags: ['--dns', registries.host], args });
  await caller(docker, 'caller', { links });
  assert.equal(await nameOfRedis(docker, 'caller', { host: 'redis', port: 10_000 }), 'redis-1');
  await register('redis-2');
  await reaches('redis-2', 10_000);
  await registries.consul('services', 'deregister', '-id=redis');
});

for (const { store, port, put, remove } of [
  {
    store: 'etcd',
    port: 4001,
    put: (key: string, value: string) => registries.etcd('put', `/${key}`, value),
    remove: (key: string) => registries.etcd('del', `/${key}`),
  },
  {
    store: 'consul',
    port: 8500,
    put: (key: string, value: string) => registries.consul('kv', 'put', key, value),
    remove: (key: string) => registries.consul('kv', 'delete', key),
  },
]) {
  test(`IMAGE ${store}://HOST:${port}/path listens on 10000: the children's values, else the path's; a change counts`, async () => {
    const { docker } = engine;
    const path = 'path/to/backend/nodes';
    await Promise.all(['redis-1', 'redis-2'].map((name) => redis(docker, name)));
    await put(path, `${await ipOf('redis-1')}:6379`);
    const args = [`${store}://${registries.host}:${port}/${path}`];
    await Ambassador.start(engine, { ...standard, args });
    await caller(docker, 'caller', { links });
    assert.equal(await nameOfRedis(docker, 'caller', { host: 'redis', port: 10_000 }), 'redis-1');
    await put(`${path}/one`, `${await ipOf('redis-2')}:6379`);
    await reaches('redis-2', 10_000);
    await put(`${path}/one`, `${await ipOf('redis-1')}:6379`);
    await reaches('redis-1', 10_000);
    await put(path, `${await ipOf('redis-2')}:6379`);
    await remove(`${path}/one`);
    await reaches('redis-2', 10_000);
  });
}

test('omni mode: --omnimode without rights, --setup-iptables beside it, a caller with BACKEND_6379=redis.service.consul', async (t) => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  const address = await ipOf('redis-1');
  await registries.consul('services', 'register', '-name=redis', `-address=${address}`, '-port=6379');
  await registries.etcd('put', '/redis', `${address}:6379`);
  await Ambassador.start(engine, { netAdmin: false, flags: ['--dns', registries.host] });
  const line = `run --rm --privileged --net container:backends ${ambassadorImage} --setup-iptables`;
  await docker.cli(await runnable(line.split(' '), (note) => t.diagnostic(note)));

  const env = {
    BACKEND_6379: 'redis.service.consul',
    backend_7000: `${address}:6379`,
    BACKEND_7001: `etcd://${registries.host}:4001/redis`,
  };
  await caller(docker, 'caller', { links: ['backends:backends'], env });
  for (const port of [6379, 7000, 7001]) {
    assert.equal(await nameOfRedis(docker, 'caller', { port }), 'redis-1', `port ${port}`);
  }
  await registries.consul('services', 'deregister', '-id=redis');
});
