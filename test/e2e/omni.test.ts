/** Omni mode as its callers meet it: whose connection leads where, on every kind of Docker network. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Ambassador } from './ambassador.ts';
import { caller, dialFrom, dialScript, nameOfRedis, nodeCaller, redis } from './containers.ts';
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

/** Several Redis at once; each one's name is its container's. */
async function redises(names: readonly string[], network?: string): Promise<void> {
  await Promise.all(
    names.map((name) => redis(engine.docker, name, network === undefined ? {} : { network })),
  );
}

test('callers with the same port reach different backends, and endpoints take turns', async () => {
  const { docker } = engine;
  await redises(['redis-1', 'redis-2', 'redis-3']);
  await Ambassador.start(engine, { links: ['redis-1', 'redis-2'] });
  await caller(docker, 'caller-a', { links, env: { BACKEND_6379: 'redis-1:6379,redis-2:6379' } });
  await caller(docker, 'caller-b', { links, env: { BACKEND_6379: 'docker://redis-3' } });

  // Each name has two addresses on this bridge, IPv4 and IPv6: four endpoints.
  const rounds: string[][] = [[], []];
  for (const round of rounds) {
    for (let i = 0; i < 4; i++) round.push(await nameOfRedis(docker, 'caller-a'));
  }
  assert.deepEqual(rounds[0]?.toSorted(), ['redis-1', 'redis-1', 'redis-2', 'redis-2']);
  assert.deepEqual(rounds[1], rounds[0]);
  assert.equal(await nameOfRedis(docker, 'caller-b'), 'redis-3');
});

test('the ambassador is called by any link alias on the default bridge', async () => {
  const { docker } = engine;
  await redises(['redis-1']);
  await Ambassador.start(engine);
  const env = { BACKEND_6379: 'docker://redis-1' };
  await caller(docker, 'caller', { links: ['backends:db'], env });
  assert.equal(await nameOfRedis(docker, 'caller', { host: 'db' }), 'redis-1');
});

test('on a network of their own, aliases and the names of backends are known by the DNS of Docker', async () => {
  const { docker } = engine;
  await docker.createNetwork('own');
  await redises(['redis-1'], 'own');
  await Ambassador.start(engine, { network: 'own', aliases: ['db'] });
  await caller(docker, 'caller', { network: 'own', env: { BACKEND_6379: 'redis-1:6379' } });
  for (const host of ['db', 'backends']) {
    assert.equal(await nameOfRedis(docker, 'caller', { host }), 'redis-1', host);
  }
});

test('a caller is known by its addresses of every network, as they come and go', async () => {
  const { docker } = engine;
  await docker.createNetwork('one', { subnet: '10.81.0.0/24' });
  await docker.createNetwork('two', { subnet: '10.82.0.0/24' });
  await redises(['redis-1', 'redis-2'], 'one');
  const ambassador = await Ambassador.start(engine, { network: 'one' });
  await docker.cli(['network', 'connect', 'two', 'backends']);
  const one = (await docker.addresses('backends', 'one')).ipv4;
  const two = (await docker.addresses('backends', 'two')).ipv4;
  await caller(docker, 'caller', { network: 'one', env: { BACKEND_6379: 'redis-1:6379' } });

  await docker.cli(['network', 'connect', '--ip', '10.82.0.50', 'two', 'caller']);
  assert.equal(await nameOfRedis(docker, 'caller', { host: one }), 'redis-1');
  assert.equal(await nameOfRedis(docker, 'caller', { host: two }), 'redis-1');
  await ambassador.connection({ caller: 'caller', destination: `${two}:6379` });

  await docker.cli(['network', 'disconnect', 'two', 'caller']);
  await caller(docker, 'heir', {
    network: 'two',
    ip: '10.82.0.50',
    env: { BACKEND_6379: 'docker://redis-2' },
  });
  assert.equal(await nameOfRedis(docker, 'heir', { host: two }), 'redis-2');
  assert.equal(await nameOfRedis(docker, 'caller', { host: one }), 'redis-1');
});

test('IPv6: a caller dials the IPv6 address, and the backend has one', async () => {
  const { docker } = engine;
  await redises(['redis-1']);
  const endpoint = `[${(await docker.addresses('redis-1')).ipv6}]:6379`;
  const ambassador = await Ambassador.start(engine);
  const { ipv6 } = await docker.addresses('backends');
  await caller(docker, 'caller', { env: { BACKEND_7000: endpoint } });
  assert.equal(await nameOfRedis(docker, 'caller', { host: ipv6, port: 7000 }), 'redis-1');
  await ambassador.connection({ caller: 'caller', destination: `[${ipv6}]:7000`, endpoint });
});

test("a container in another one's network is that one", async () => {
  const { docker } = engine;
  await redises(['redis-1']);
  const ambassador = await Ambassador.start(engine);
  await caller(docker, 'owner', { links, env: { BACKEND_6379: 'docker://redis-1' } });
  await caller(docker, 'sidecar', {
    network: 'container:owner',
    env: { BACKEND_6379: 'docker://nobody', BACKEND_7000: 'docker://redis-1:6379' },
  });
  assert.equal(await nameOfRedis(docker, 'sidecar'), 'redis-1');
  assert.notEqual(await nameOfRedis(docker, 'sidecar', { port: 7000 }), 'redis-1');
  await ambassador.line({ caller: 'owner', code: 'ERR_NO_ROUTE' });
});

test('a container whose first act is a connection is served, twenty times in a row', async () => {
  const { docker } = engine;
  await redises(['redis-1']);
  await Ambassador.start(engine, { links: ['redis-1'] });
  for (let round = 1; round <= 20; round++) {
    const { stdout, stderr } = await docker.runToEnd({
      image: testImage,
      links,
      env: { BACKEND_6379: 'redis-1:6379' },
      args: ['redis-cli', '-h', 'backends', 'get', 'name'],
    });
    assert.equal(stdout.trim(), 'redis-1', `round ${round}: ${stderr}`);
  }
});

test('a bad descriptor is the trouble of its own container alone, told once and exactly', async () => {
  const { docker } = engine;
  await redises(['redis-1']);
  const ambassador = await Ambassador.start(engine, { links: ['redis-1'] });
  await nodeCaller(docker, 'bad', {
    links,
    env: { BACKEND_6379: 'redis-1:6379,redis-1:six', BACKEND_7000: 'redis-1:6379' },
  });
  await caller(docker, 'good', { links, env: { BACKEND_6379: 'redis-1:6379' } });

  assert.equal(await nameOfRedis(docker, 'good'), 'redis-1');
  assert.equal(await dialFrom(docker, 'bad', 'backends', 6379), 'ECONNRESET');
  const { message } = await ambassador.line({ caller: 'bad', code: 'ERR_DESCRIPTOR_SYNTAX' });
  assert.match(
    message,
    /container bad, BACKEND_6379, column 22: expected a port \(1 to 65535\), found "six".*6379 is refused/,
  );
  assert.equal((await ambassador.lines()).filter((line) => line.message === message).length, 1);
  assert.equal(await nameOfRedis(docker, 'good'), 'redis-1');
});

test('a registry that is not there is the trouble of those who name it', async () => {
  const { docker } = engine;
  await redises(['redis-1']);
  await Ambassador.start(engine);
  await nodeCaller(docker, 'caller', { links, env: { BACKEND_6379: 'etcd://127.0.0.1:1/redis' } });
  await caller(docker, 'good', { links, env: { BACKEND_6379: 'docker://redis-1' } });
  assert.equal(await dialFrom(docker, 'caller', 'backends', 6379), 'ECONNRESET');
  assert.equal(await nameOfRedis(docker, 'good'), 'redis-1');
});

test('whatever has no route is reset: a port without one, a container without any, no container at all', async () => {
  const { docker } = engine;
  const ambassador = await Ambassador.start(engine);
  const { ipv4 } = await docker.addresses('backends');
  await nodeCaller(docker, 'caller', {
    links,
    env: { BACKEND_6379: `${ipv4}:1?connect-timeout=1s`, BACKEND_7000: '169.254.169.254:80' },
  });
  await nodeCaller(docker, 'stranger', { links });

  assert.equal(await dialFrom(docker, 'caller', ipv4, 80), 'ECONNRESET');
  await ambassador.line({ caller: 'caller', code: 'ERR_NO_ROUTE', destination: `${ipv4}:80` });
  assert.equal(await dialFrom(docker, 'caller', ipv4, 10_000), 'ECONNRESET');
  assert.equal(await dialFrom(docker, 'caller', ipv4, 7000), 'ECONNRESET');
  await ambassador.line({ caller: 'caller', code: 'ERR_DESCRIPTOR_REFUSED', destination: `${ipv4}:7000` });
  assert.equal(await dialFrom(docker, 'caller', ipv4, 6379), 'ECONNRESET');
  await ambassador.line({ caller: 'caller', code: 'ERR_CONNECT_FAILED', destination: `${ipv4}:6379` });
  assert.equal(await dialFrom(docker, 'stranger', ipv4, 6379), 'ECONNRESET');
  await ambassador.line({ caller: 'stranger', code: 'ERR_NO_ROUTE' });
  assert.equal(await engine.onHost([process.execPath, '-e', dialScript, ipv4, '6379']), 'ECONNRESET');
  await ambassador.line({ code: 'ERR_UNKNOWN_CALLER' });
});

test('a caller that is renamed, or comes back with another address, keeps its routes', async () => {
  const { docker } = engine;
  await redises(['redis-1']);
  const ambassador = await Ambassador.start(engine, { links: ['redis-1'] });
  await caller(docker, 'first-name', { links, env: { BACKEND_6379: 'redis-1:6379' } });
  assert.equal(await nameOfRedis(docker, 'first-name'), 'redis-1');
  await ambassador.connection({ caller: 'first-name' });

  await docker.cli(['rename', 'first-name', 'second-name']);
  await until('a connection under the new name', async () => {
    assert.equal(await nameOfRedis(docker, 'second-name'), 'redis-1');
    const lines = await ambassador.lines();
    return lines.find((line) => line.message === 'connection' && line.caller === 'second-name');
  });

  const { ipv4: before } = await docker.addresses('second-name');
  await docker.cli(['stop', '--time', '0', 'second-name']);
  await nodeCaller(docker, 'squatter', { links });
  await docker.cli(['start', 'second-name']);
  const { ipv4: now } = await docker.addresses('second-name');
  assert.notEqual(now, before, 'the engine has given the address to nobody else');
  assert.equal(await nameOfRedis(docker, 'second-name'), 'redis-1');
  assert.equal(await dialFrom(docker, 'squatter', 'backends', 6379), 'ECONNRESET');
});

test('the log tells what was found at the start, and each connection at its end', async () => {
  const { docker } = engine;
  await redises(['redis-1']);
  const { ipv4: address } = await docker.addresses('redis-1');
  await caller(docker, 'early', { env: { BACKEND_6379: 'docker://redis-1' } });
  const ambassador = await Ambassador.start(engine);
  const { ipv4 } = await docker.addresses('backends');
  const { ipv4: own } = await docker.addresses('early');
  const start = (await ambassador.lines()).map(({ message }) => message).join('\n');
  const version = await docker.cli(['version', '--format', '{{.Server.Version}}']);
  const expected = [
    'omni mode',
    `docker ${version} `,
    'early',
    own,
    'listening on [::]:10000',
    'nat rules set',
  ];
  for (const text of expected) assert.ok(start.includes(text), `${text} in:\n${start}`);
  assert.match(start, /early .*6379 -> docker:\/\/redis-1:6379/);

  assert.equal(await nameOfRedis(docker, 'early', { host: ipv4 }), 'redis-1');
  const { connId, connectMs, totalMs, timestamp, ...line } = await ambassador.connection({});
  assert.deepEqual(line, {
    level: 'info',
    message: 'connection',
    caller: 'early',
    destination: `${ipv4}:6379`,
    backend: 'docker://redis-1:6379',
    endpoint: `${address}:6379`,
    bytesUp: '*2\r\n$3\r\nget\r\n$4\r\nname\r\n'.length,
    bytesDown: '$7\r\nredis-1\r\n'.length,
    end: 'closed',
  });
  assert.equal(typeof connId, 'string');
  assert.ok(Number.isFinite(Date.parse(timestamp)));
  assert.ok(Number(connectMs) > 0 && Number(totalMs) >= Number(connectMs), `${connectMs} of ${totalMs} ms`);
});

test('an ambassador that was killed serves again once it is started', async () => {
  const { docker } = engine;
  await redises(['redis-1']);
  const ambassador = await Ambassador.start(engine, { links: ['redis-1'] });
  await caller(docker, 'caller', { links, env: { BACKEND_6379: 'redis-1:6379' } });
  assert.equal(await nameOfRedis(docker, 'caller'), 'redis-1');
  const rules = async () => (await docker.exec('backends', ['nft', '--stateless', 'list', 'ruleset'])).stdout;
  const standing = await rules();
  assert.match(standing, /table inet nuncio/);

  assert.equal(await ambassador.end('KILL'), 137);
  await ambassador.startAgain();
  assert.equal(await rules(), standing);
  assert.equal(await nameOfRedis(docker, 'caller'), 'redis-1');
});

test('the image has a health check, and it tells whether the ambassador serves', async () => {
  const { docker } = engine;
  const ambassador = await Ambassador.start(engine);
  const check = await docker.inspect('backends', '{{json .Config.Healthcheck.Test}}');
  assert.deepEqual(JSON.parse(check), ['CMD', '/start', '--health']);
  const healthy = await until('a healthy answer', async () => {
    const outcome = await ambassador.health();
    return outcome.code === 0 ? outcome : undefined;
  });
  assert.match(healthy.stdout, /listening on \[::\]:10000/);

  await nodeCaller(docker, 'idle');
  const { code, stderr } = await docker.exec('idle', ['/start', '--health']);
  assert.equal(code, 1);
  assert.match(stderr, /no nuncio is running here/);
});
