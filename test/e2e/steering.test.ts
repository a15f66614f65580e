/** Steering as callers and operators meet it, on the real engine: what it needs, who is led where, and that it ends. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Ambassador, type AmbassadorOptions } from './ambassador.ts';
import { caller, dialFrom, nameOfRedis, nodeCaller, redis } from './containers.ts';
import { Engine } from './engine.ts';
import { ambassadorImage, copyImages, testImage } from './images.ts';
import { bpfCapability } from './privileged.ts';
import { printed, startCaller, startServer } from './programs.ts';

let engine: Engine;
let bpf: string;

before(async () => {
  engine = await Engine.start();
  bpf = await bpfCapability(engine.docker);
  await copyImages(engine, testImage, ambassadorImage);
});
afterEach(() => engine.docker.clear());
after(() => engine.close());

const links = ['backends'];
const args = ['--omnimode', '--rules=steer'];
const steered =
  /^connections are steered at the socket lookup, without nat: every port .* but 10000 leads to port 10000; proved by a connection to 127\.0\.0\.1/;

/** An ambassador that may load programs, and has to. */
function start(more: AmbassadorOptions = {}): Promise<Ambassador> {
  return Ambassador.start(engine, { capAdd: [bpf], args, ...more });
}

function rulesOf(container: string): Promise<string> {
  return engine.inNetworkOf(container, 'nft', '--stateless', 'list', 'ruleset');
}

/** Connections that the kernel tracks in a container's network. */
function trackedIn(container: string): Promise<string> {
  return engine.inNetworkOf(container, 'conntrack', '-L');
}

/** Two Redis, and two callers whose port 6379 leads to one each. */
async function twoCallers(network?: string): Promise<void> {
  const { docker } = engine;
  const where = network === undefined ? { links } : { network };
  const there = network === undefined ? {} : { network };
  for (const number of [1, 2]) {
    await redis(docker, `redis-${number}`, there);
    const env = { BACKEND_6379: `docker://redis-${number}` };
    await caller(docker, `caller-${number}`, { ...where, env });
  }
}

async function eachReachesItsOwn(): Promise<void> {
  for (const number of [1, 2]) {
    assert.equal(await nameOfRedis(engine.docker, `caller-${number}`), `redis-${number}`);
  }
}

test('two callers dial one port and reach different backends; there is no rule, and nothing is tracked', async () => {
  const { docker } = engine;
  const ambassador = await start({ args: ['--omnimode'] });
  const said = (await ambassador.lines()).map(({ message }) => message);
  assert.equal(said.filter((message) => steered.test(message)).length, 1, said.join('\n'));
  assert.ok(!said.some((message) => /steering off|nat rules/.test(message)), said.join('\n'));
  await twoCallers();
  await eachReachesItsOwn();
  const { ipv4, ipv6 } = await docker.addresses('backends');
  await ambassador.connection({ caller: 'caller-1', destination: `${ipv4}:6379` });
  assert.equal(await nameOfRedis(docker, 'caller-2', { host: ipv6 }), 'redis-2');
  await ambassador.connection({ caller: 'caller-2', destination: `[${ipv6}]:6379` });
  assert.doesNotMatch(await rulesOf('backends'), /nuncio/);
  assert.equal(await trackedIn('backends'), '');
  // A port that no variable names is refused by the proxy, not by the kernel.
  await nodeCaller(docker, 'node', { links, env: { BACKEND_80: 'docker://redis-1' } });
  assert.equal(await dialFrom(docker, 'node', 'backends', 81), 'ECONNRESET');
  await ambassador.line('no backend is named for port 81');
});

test('with NET_ADMIN alone one line says what is missing, and nat rules serve; where steering is asked for, it is the last line', async () => {
  const { docker } = engine;
  const ambassador = await Ambassador.start(engine);
  const said = (await ambassador.lines()).map(({ message }) => message);
  const why = 'programs may not be loaded (--cap-add BPF; before Docker 23, SYS_ADMIN)';
  assert.deepEqual(
    said.filter((message) => message.includes('steer')),
    [`steering off: ${why}; the connections are left to nat rules`],
  );
  await twoCallers();
  await eachReachesItsOwn();
  assert.match(await rulesOf('backends'), /table inet nuncio/);

  const volumes = [engine.socketMount];
  const run = { image: ambassadorImage, capAdd: ['NET_ADMIN'], volumes, args };
  const { code, stderr } = await docker.runToEnd(run);
  assert.deepEqual([code, stderr.trim()], [1, `nuncio: --rules=steer, but ${why}`]);
});

test("on a network of their own, the rules of Docker's DNS stay as they are, and names are known", async () => {
  const { docker } = engine;
  await docker.createNetwork('own');
  await caller(docker, 'untouched', { network: 'own' });
  const ambassador = await start({ network: 'own' });
  await twoCallers('own');
  await eachReachesItsOwn();
  await caller(docker, 'by-name', { network: 'own', env: { BACKEND_6379: 'redis-2:6379' } });
  assert.equal(await nameOfRedis(docker, 'by-name'), 'redis-2');
  await ambassador.connection({ caller: 'by-name' });
  const [rules, others] = [await rulesOf('backends'), await rulesOf('untouched')];
  assert.match(rules, /127\.0\.0\.11/);
  // For their sake the kernel tracks connections; nothing is changed in them.
  assert.match(await trackedIn('backends'), / dport=6379 .* sport=6379 /);
  // Each container's DNS server listens on ports of its own.
  const withoutPorts = (text: string) => text.replaceAll(/:\d+|dport \d+|sport \d+/g, '');
  assert.equal(withoutPorts(rules), withoutPorts(others));
});

test('an ambassador that restarts, or was killed and is started, steers again', async () => {
  const { docker } = engine;
  const ambassador = await start();
  await twoCallers();
  await eachReachesItsOwn();
  const mark = await ambassador.mark();
  await docker.cli(['restart', '--time', '10', ambassador.name]);
  await ambassador.line(/^stopped$/, mark);
  await ambassador.line(steered, mark);
  await eachReachesItsOwn();

  assert.equal(await ambassador.end('KILL'), 137);
  await ambassador.startAgain();
  await eachReachesItsOwn();
  assert.doesNotMatch(await rulesOf('backends'), /nuncio/);
});

test('in a network that outlives a killed ambassador nothing is left of it, and the next one steers', async () => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  await redis(docker, 'backends');
  await caller(docker, 'caller', { links, env: { BACKEND_6379: 'docker://redis-1' } });
  const network = 'container:backends';
  const ambassador = await start({ name: 'ambassador', network });
  // What listens there is taken over, and comes back.
  assert.equal(await nameOfRedis(docker, 'caller'), 'redis-1');
  assert.equal(await ambassador.end('KILL'), 137);
  assert.equal(await nameOfRedis(docker, 'caller'), 'backends');
  await ambassador.startAgain();
  assert.equal(await nameOfRedis(docker, 'caller'), 'redis-1');
  assert.equal(await ambassador.end('TERM'), 0);
  assert.equal(await nameOfRedis(docker, 'caller'), 'backends');
});

test('SIGTERM: new connections are refused, the open one is served to its end, exit code 0', async () => {
  const { docker } = engine;
  await startServer(docker, 'backend', ['echo']);
  const env = { BACKEND_80: 'docker://backend' };
  const ambassador = await start();
  await startCaller(docker, 'caller', ['session'], { env });
  await nodeCaller(docker, 'late', { env, links });
  await printed(docker, 'caller', 'open');
  await docker.cli(['kill', '--signal', 'TERM', ambassador.name]);
  await ambassador.line('draining 1 connection');
  assert.equal(await dialFrom(docker, 'late', 'backends', 80), 'ECONNREFUSED');
  await docker.cli(['kill', '--signal', 'USR2', 'caller']);
  assert.equal(await printed(docker, 'caller', 'closed'), 'closed after 100001 bytes');
  assert.equal(await docker.cli(['wait', ambassador.name]), '0');
});

test('localhost of a caller leads there, too', async () => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  const ambassador = await start();
  await caller(docker, 'caller', { labels: { 'connect.6379': 'docker://redis-1' } });
  await ambassador.line('localhost of caller: port(s) 6379 lead to the ambassador');
  assert.equal(await nameOfRedis(docker, 'caller', { host: '127.0.0.1' }), 'redis-1');
});

test('on the network of the host nat rules do the work', async () => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  await caller(docker, 'caller', { env: { BACKEND_6379: 'docker://redis-1' } });
  const ambassador = await start({
    name: 'ambassador',
    network: 'host',
    args: ['--omnimode', '--dnat'],
  });
  await ambassador.line('steering off: --dnat is done by nat rules; the connections are left to nat rules');
  const host = await docker.inspect('caller', '{{.NetworkSettings.Gateway}}');
  assert.equal(await nameOfRedis(docker, 'caller', { host }), 'redis-1');
});
