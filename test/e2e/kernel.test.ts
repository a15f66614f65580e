/** The kernel path as callers meet it, on a real engine: who is led where, past the proxy, and what is left to the proxy. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Ambassador, type AmbassadorOptions } from './ambassador.ts';
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

const links = ['backends'];

/** The least that the kernel path needs. */
function start(more: AmbassadorOptions = {}, args: readonly string[] = []): Promise<Ambassador> {
  return Ambassador.start(engine, {
    args: ['--omnimode', '--kernel=require', ...args],
    capAdd: ['SYS_ADMIN', 'SYS_PTRACE'],
    flags: ['--pid=host', '--cgroupns=host'],
    ...more,
  });
}

/** Waits until the ambassador has said which path serves a caller's port. */
function pathIs(ambassador: Ambassador, name: string, path: string, from = 0): Promise<unknown> {
  return ambassador.line(`caller ${name}: ${path}`, from);
}

/** Connections that the proxy has carried. */
async function proxied(ambassador: Ambassador): Promise<number> {
  return (await ambassador.lines()).filter(({ message }) => message === 'connection').length;
}

test('two callers dial one port and reach different backends, without the proxy', async () => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  await redis(docker, 'redis-2');
  await caller(docker, 'early', { env: { BACKEND_6379: 'docker://redis-1' } });
  const ambassador = await start();
  await ambassador.line(/^kernel path on/);
  const start1 = (await ambassador.lines()).map(({ message }) => message).join('\n');
  assert.match(start1, /caller early .*6379 -> docker:\/\/redis-1:6379 by kernel/);

  await caller(docker, 'caller-a', { links, env: { BACKEND_6379: 'docker://redis-1' } });
  await caller(docker, 'caller-b', {
    links,
    env: { BACKEND_6379: 'docker://redis-2?balance=leastconn', BACKEND_6380: 'docker://redis-2:6379' },
  });
  await pathIs(ambassador, 'caller-a', '6379 -> kernel');
  await pathIs(ambassador, 'caller-b', '6379 -> proxy (leastconn)');
  await pathIs(ambassador, 'caller-b', '6380 -> kernel');
  assert.equal(await nameOfRedis(docker, 'caller-a'), 'redis-1');
  assert.equal(await nameOfRedis(docker, 'caller-b', { port: 6380 }), 'redis-2');
  const { ipv4 } = await docker.addresses('backends');
  assert.equal(await nameOfRedis(docker, 'early', { host: ipv4 }), 'redis-1');
  assert.equal(await proxied(ambassador), 0);
  assert.equal(await nameOfRedis(docker, 'caller-b'), 'redis-2');
  await ambassador.connection({ caller: 'caller-b' });
  assert.equal(await proxied(ambassador), 1);

  // The backend sees who calls.
  const { ipv4: address } = await docker.addresses('caller-a');
  const { stdout } = await docker.exec('caller-a', ['redis-cli', '-h', 'backends', 'client', 'list']);
  assert.match(stdout, new RegExp(` addr=${address}:`));
});

test('localhost leads to the backend where the container does not listen itself', async () => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  const ambassador = await start();
  await caller(docker, 'caller-a', { env: { BACKEND_6379: 'docker://redis-1' } });
  await redis(docker, 'itself', { env: { BACKEND_6379: 'docker://redis-1' } });
  await pathIs(ambassador, 'caller-a', '6379 -> kernel');
  await pathIs(ambassador, 'itself', '6379 -> kernel');
  assert.equal(await nameOfRedis(docker, 'caller-a', { host: 'localhost' }), 'redis-1');
  assert.equal(await nameOfRedis(docker, 'caller-a', { host: '127.0.0.1' }), 'redis-1');
  assert.equal(await nameOfRedis(docker, 'itself', { host: '127.0.0.1' }), 'itself');
});

test('a caller that restarts, and one that comes back with another environment', async () => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  await redis(docker, 'redis-2');
  const ambassador = await start();
  const env = { BACKEND_6379: 'docker://redis-1' };
  await caller(docker, 'caller-a', { links, env });
  await pathIs(ambassador, 'caller-a', '6379 -> kernel');
  const mark = await ambassador.mark();
  await docker.cli(['restart', '--time', '0', 'caller-a']);
  await pathIs(ambassador, 'caller-a', '6379 -> kernel', mark);
  assert.equal(await nameOfRedis(docker, 'caller-a', { host: 'localhost' }), 'redis-1');

  await docker.remove('caller-a');
  const again = await ambassador.mark();
  await caller(docker, 'caller-a', { links, env: { BACKEND_6379: 'docker://redis-2' } });
  await pathIs(ambassador, 'caller-a', '6379 -> kernel', again);
  assert.equal(await nameOfRedis(docker, 'caller-a', { host: 'localhost' }), 'redis-2');
});

test('a backend that dies gets no connection any more, however it was named', async () => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  await redis(docker, 'redis-2');
  const ambassador = await start();
  const { ipv4: one } = await docker.addresses('redis-1');
  const { ipv4: two } = await docker.addresses('redis-2');
  await caller(docker, 'caller-a', { links, env: { BACKEND_6379: `${one}:6379,${two}:6379` } });
  await pathIs(ambassador, 'caller-a', '6379 -> kernel');
  const names = async () => {
    const reached = [];
    for (let i = 0; i < 4; i++) reached.push(await nameOfRedis(docker, 'caller-a'));
    return reached.toSorted();
  };
  assert.deepEqual(await names(), ['redis-1', 'redis-1', 'redis-2', 'redis-2']);

  // Nothing but the checks can tell: the address is a text in the environment.
  await docker.cli(['kill', 'redis-1']);
  await ambassador.line(`endpoint ${one}:6379 is left out`);
  assert.deepEqual(await names(), ['redis-2', 'redis-2', 'redis-2', 'redis-2']);

  const mark = await ambassador.mark();
  await docker.cli(['start', 'redis-1']);
  await ambassador.line(`endpoint ${one}:6379 accepts again`, mark);
  await docker.exec('redis-1', ['redis-cli', 'set', 'name', 'redis-1']);
  await until('both again', async () => ((await names()).includes('redis-1') ? true : undefined), {
    otherwise: () => docker.logs('backends'),
  });
  assert.equal(await proxied(ambassador), 0);
});

test('a backend in a network that the caller is not in is the proxy’s', async () => {
  const { docker } = engine;
  await docker.createNetwork('front');
  await docker.createNetwork('back');
  await redis(docker, 'redis-1', { network: 'back' });
  const ambassador = await start({ network: 'front' });
  await docker.cli(['network', 'connect', 'back', 'backends']);
  await caller(docker, 'caller-a', { network: 'front', env: { BACKEND_6379: 'docker://redis-1' } });
  await pathIs(ambassador, 'caller-a', '6379 -> proxy (');
  assert.equal(await nameOfRedis(docker, 'caller-a'), 'redis-1');
  await ambassador.connection({ caller: 'caller-a' });
});

test('the kernel path ends with the process, and the proxy of its successor serves', async () => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  const first = await start();
  // No link: the engine would let nobody into a container whose link leads to one that is dead.
  await caller(docker, 'caller-a', { env: { BACKEND_6379: 'docker://redis-1' } });
  await pathIs(first, 'caller-a', '6379 -> kernel');
  assert.equal(await nameOfRedis(docker, 'caller-a', { host: '127.0.0.1' }), 'redis-1');
  assert.equal(await first.end('KILL'), 137);
  assert.match(await nameOfRedis(docker, 'caller-a', { host: '127.0.0.1' }), /Connection refused/);
  await docker.remove('backends');
  const second = await Ambassador.start(engine, { args: ['--omnimode', '--kernel=off'] });
  assert.equal(
    await nameOfRedis(docker, 'caller-a', { host: (await docker.addresses('backends')).ipv4 }),
    'redis-1',
  );
  await second.connection({ caller: 'caller-a' });
});

test('on the network of the host, the bridge’s address leads to the backend, but not where the host itself listens', async () => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  await redis(docker, 'host-service', { network: 'host' });
  const env = { BACKEND_6379: 'docker://redis-1', BACKEND_7000: 'docker://redis-1:6379' };
  await caller(docker, 'caller-a', { env });
  const host = await docker.inspect('caller-a', '{{.NetworkSettings.Gateway}}');
  const args = ['--omnimode', '--dnat', '--kernel=require'];
  const ambassador = await start({ network: 'host', name: 'ambassador', args });
  await ambassador.line(/caller-a .*7000 -> .* by kernel/);
  await ambassador.line(/caller-a .*6379 -> .* by proxy \(the rules leave the port out\)/);
  assert.equal(await nameOfRedis(docker, 'caller-a', { host, port: 7000 }), 'redis-1');
  assert.equal(await nameOfRedis(docker, 'caller-a', { host }), 'host-service');
  assert.equal(await nameOfRedis(docker, 'caller-a', { host: '127.0.0.1', port: 7000 }), 'redis-1');
  assert.equal(await proxied(ambassador), 0);
  assert.equal(await ambassador.end('TERM'), 0);

  // Without --dnat every address is the host's, and only localhost is the caller's to give.
  const plain = await start({
    network: 'host',
    args: ['--omnimode', '--rules=off', '--kernel=require'],
    ready: /^no rules are set/,
  });
  await plain.line(/caller-a .*7000 -> .* by kernel/);
  assert.match(await nameOfRedis(docker, 'caller-a', { host, port: 7000 }), /refused/);
  assert.equal(await nameOfRedis(docker, 'caller-a', { host: '127.0.0.1', port: 7000 }), 'redis-1');
});

test('what is missing is one line, and the proxy serves', async () => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  const ambassador = await Ambassador.start(engine);
  await caller(docker, 'caller-a', { links, env: { BACKEND_6379: 'docker://redis-1' } });
  const { message } = await ambassador.line(/^kernel path/);
  assert.equal(
    message,
    "kernel path off: the containers' processes cannot be seen from here (--pid=host); the proxy serves every route",
  );
  assert.equal(await nameOfRedis(docker, 'caller-a'), 'redis-1');
  await ambassador.connection({ caller: 'caller-a' });

  const flags = ['--pid=host', '--cgroupns=private'];
  const second = await Ambassador.start(engine, { name: 'second', flags });
  assert.match((await second.line(/^kernel path/)).message, /\(--cap-add SYS_ADMIN\); the proxy serves/);
  const third = await Ambassador.start(engine, { name: 'third', flags, capAdd: ['SYS_ADMIN'] });
  assert.match((await third.line(/^kernel path/)).message, /\(--cgroupns=host\); the proxy serves/);
});

test('a container without routes is untouched', async () => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  await redis(docker, 'redis-2');
  const ambassador = await start();
  await caller(docker, 'caller-a', { links, env: { BACKEND_6379: 'docker://redis-1' } });
  await nodeCaller(docker, 'stranger', { links: ['backends', 'redis-2'] });
  await pathIs(ambassador, 'caller-a', '6379 -> kernel');
  const script = `
const socket = require('node:net').connect({ host: process.argv[1], port: 6379 });
const told = (what) => { console.log(what); process.exit(0); };
socket.on('error', (error) => told(error.code));
socket.on('connect', () => socket.write('get name\\r\\n'));
socket.on('data', (data) => told(String(data).split('\\r\\n')[1] + ' at ' + socket.remoteAddress));
socket.setTimeout(8000, () => told('silence'));
`;
  const dial = async (host: string) => {
    const { stdout } = await docker.exec('stranger', ['node', '-e', script, host]);
    return stdout.trim();
  };
  const { ipv4 } = await docker.addresses('redis-2');
  assert.equal(await dial('127.0.0.1'), 'ECONNREFUSED');
  assert.equal(await dial((await docker.addresses('backends')).ipv4), 'ECONNRESET');
  assert.equal(await dial(ipv4), `redis-2 at ${ipv4}`);
  // Its namespace is not held open: it goes with the container.
  const held = async () => {
    const pid = await docker.inspect('backends', '{{.State.Pid}}');
    const script = `for f in /proc/${pid}/fd/*; do readlink $f; done | grep -c '^net:' || true`;
    return Number(await engine.onHost(['sh', '-c', script]));
  };
  assert.equal(await held(), 1, 'that of the one caller');
  await docker.remove('caller-a');
  await until('the namespace to be let go', async () => ((await held()) === 0 ? true : undefined));
});
