/** connectable's way: a label on the caller, and `localhost:<port>` in it leads to the backend. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Ambassador } from './ambassador.ts';
import { caller, nameOfRedis, redis } from './containers.ts';
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

const host = 'localhost';
const leads = (backend: string) => ({ 'connect.6379': backend });
const ready = (name: string) => `localhost of ${name}: port(s) 6379 lead to the ambassador`;

/** Everything that could have been changed in a container's network: rules, and the setting of each interface. */
async function stateOf(container: string): Promise<string> {
  const rules = await engine.inNetworkOf(container, 'nft', '--stateless', 'list', 'ruleset');
  const settings = await engine.inNetworkOf(
    container,
    'sh',
    '-c',
    'grep . /proc/sys/net/ipv4/conf/*/route_localnet',
  );
  return `${rules}\n${settings}`;
}

/** The containers that have been made since a moment, by name. */
async function madeSince(moment: string): Promise<string[]> {
  const now = (Date.now() / 1000 + 1).toFixed(3);
  const filters = ['--filter', 'type=container', '--filter', 'event=create'];
  const format = ['--format', '{{.Actor.Attributes.name}}'];
  const names = await engine.docker.cli(['events', '--since', moment, '--until', now, ...filters, ...format]);
  return names.split('\n').filter((name) => name !== '');
}

const present = () => (Date.now() / 1000).toFixed(3);
const helpersLeft = () => engine.docker.cli(['ps', '--all', '--quiet', '--filter', 'label=nuncio.helper']);

test('two callers dial localhost on one port and reach different backends; the end leaves no trace', async () => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  await redis(docker, 'redis-2');
  await caller(docker, 'early', { labels: leads('docker://redis-1') });
  const untouched = await stateOf('early');
  const ambassador = await Ambassador.start(engine);
  await ambassador.line(ready('early'));
  await caller(docker, 'late', { labels: leads('docker://redis-2') });
  await ambassador.line(ready('late'));

  assert.equal(await nameOfRedis(docker, 'early', { host }), 'redis-1');
  assert.equal(await nameOfRedis(docker, 'early', { host: '127.0.0.1' }), 'redis-1');
  assert.equal(await nameOfRedis(docker, 'late', { host }), 'redis-2');
  const { ipv4 } = await docker.addresses('backends');
  await ambassador.connection({ caller: 'early', destination: `${ipv4}:6379` });
  assert.match(await nameOfRedis(docker, 'late', { host, port: 6380 }), /refused/);

  assert.equal(await ambassador.end('TERM'), 0);
  await ambassador.line('localhost rules removed from 2 container(s)');
  assert.equal(await stateOf('early'), untouched);
  assert.equal(await stateOf('late'), untouched);
  assert.match(await nameOfRedis(docker, 'early', { host }), /refused/);
  assert.equal(await helpersLeft(), '');
});

test("connectable's own command line works: the socket, no argument, no capability", async () => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  const ambassador = await Ambassador.start(engine, { args: [], netAdmin: false });
  await ambassador.line(/^nat rules set by nft, .* \(by helper container\)$/);
  await caller(docker, 'caller', { labels: leads('docker://redis-1') });
  await ambassador.line(ready('caller'));
  assert.equal(await nameOfRedis(docker, 'caller', { host }), 'redis-1');
  assert.equal(await ambassador.end('TERM'), 0);
  assert.equal(await helpersLeft(), '');
});

test('a container without labels is left alone: no visit, no container made for it', async () => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  const from = present();
  await caller(docker, 'plain', { env: { BACKEND_6379: 'docker://redis-1' } });
  const untouched = await stateOf('plain');
  const ambassador = await Ambassador.start(engine);
  await caller(docker, 'labelled', { labels: leads('docker://redis-1') });
  await ambassador.line(ready('labelled'));
  assert.equal(await ambassador.end('TERM'), 0);

  assert.equal(await stateOf('plain'), untouched);
  const id = await docker.inspect('labelled', '{{.Id}}');
  const made = await madeSince(from);
  const helpers = made.filter((name) => !['plain', 'labelled', 'backends'].includes(name));
  // One visit to set the rules, one to take them away.
  assert.equal(helpers.length, 2, made.join(', '));
  for (const name of helpers) assert.ok(name.startsWith(`nuncio-localhost-${id.slice(0, 12)}-`), name);
});

test('a caller that is restarted, or paused for a while, has its localhost again', async () => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  const ambassador = await Ambassador.start(engine);
  await caller(docker, 'caller', { labels: leads('docker://redis-1') });
  await ambassador.line(ready('caller'));
  for (let round = 0; round < 2; round++) {
    const mark = await ambassador.mark();
    await docker.cli(['restart', '--time', '0', 'caller']);
    await ambassador.line(ready('caller'), mark);
    assert.equal(await nameOfRedis(docker, 'caller', { host }), 'redis-1');
  }
  await docker.cli(['pause', 'caller']);
  await docker.cli(['unpause', 'caller']);
  assert.equal(await nameOfRedis(docker, 'caller', { host }), 'redis-1');
  const mark = await ambassador.mark();
  await docker.remove('caller');
  assert.equal(await ambassador.end('TERM'), 0);
  const after = (await ambassador.lines()).slice(mark);
  assert.deepEqual(
    after.filter(({ message }) => message.includes('localhost')),
    [],
  );
});

test('nothing piles up, however often the ambassador is stopped, killed and started', async () => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  await caller(docker, 'caller', { labels: leads('docker://redis-1') });
  const untouched = await stateOf('caller');
  const ambassador = await Ambassador.start(engine);
  await ambassador.line(ready('caller'));
  const standing = await stateOf('caller');
  assert.match(standing, /table ip nuncio_localhost/);
  for (const signal of ['KILL', 'TERM', 'KILL'] as const) {
    await ambassador.end(signal);
    await ambassador.startAgain();
    await ambassador.line(ready('caller'));
    assert.equal(await stateOf('caller'), standing, `after ${signal}`);
    assert.equal(await nameOfRedis(docker, 'caller', { host }), 'redis-1');
  }
  assert.equal(await ambassador.end('TERM'), 0);
  assert.equal(await stateOf('caller'), untouched);
  assert.equal(await helpersLeft(), '');
});

test('a helper that a killed ambassador has left behind is removed by the next one', async () => {
  const { docker } = engine;
  const ambassador = await Ambassador.start(engine);
  const id = await docker.inspect('backends', '{{.Id}}');
  await ambassador.end('KILL');
  for (const owner of [id, 'f'.repeat(64)]) {
    await docker.cli(['create', '--label', `nuncio.helper=${owner}`, ambassadorImage]);
  }
  await ambassador.startAgain();
  const look = async () => ((await helpersLeft()) === '' ? true : undefined);
  await until('the helpers to be gone', look, { otherwise: helpersLeft });
});

test("where the ambassador sees the host's processes it enters by itself, and makes no container", async () => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  await caller(docker, 'caller', { labels: leads('docker://redis-1') });
  const untouched = await stateOf('caller');
  const from = present();
  const ambassador = await Ambassador.start(engine, {
    capAdd: ['SYS_ADMIN', 'SYS_PTRACE'],
    flags: ['--pid', 'host', '--security-opt', 'apparmor=unconfined'],
  });
  const { message } = await ambassador.line(ready('caller'));
  assert.match(message, /\(by nsenter\)$/);
  assert.equal(await nameOfRedis(docker, 'caller', { host }), 'redis-1');
  assert.equal(await ambassador.end('TERM'), 0);
  assert.equal(await stateOf('caller'), untouched);
  assert.deepEqual(await madeSince(from), ['backends']);
});

test("on a network of one's own, the rules of Docker's DNS stand beside ours and work", async () => {
  const { docker } = engine;
  await docker.createNetwork('own');
  await redis(docker, 'redis-1', { network: 'own' });
  const ambassador = await Ambassador.start(engine, { network: 'own' });
  await caller(docker, 'caller', { network: 'own', labels: leads('redis-1:6379') });
  await ambassador.line(ready('caller'));
  assert.equal(await nameOfRedis(docker, 'caller', { host }), 'redis-1');
  assert.equal(await nameOfRedis(docker, 'caller', { host: 'redis-1' }), 'redis-1');
  assert.match(await stateOf('caller'), /127\.0\.0\.11/);
});

test('the caller follows the ambassador from network to network', async () => {
  const { docker } = engine;
  await docker.createNetwork('one');
  await docker.createNetwork('two');
  await redis(docker, 'redis-1', { network: 'one' });
  const ambassador = await Ambassador.start(engine, { network: 'one' });
  await caller(docker, 'caller', { network: 'two', labels: leads('docker://redis-1') });
  await ambassador.line(/^localhost of caller does not lead .*shares no IPv4 network .* backends$/);
  await docker.cli(['network', 'connect', 'two', 'backends']);
  await ambassador.line(ready('caller'));
  assert.equal(await nameOfRedis(docker, 'caller', { host }), 'redis-1');
});

test('an ambassador on the network of the host is found at the bridge', async () => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  await caller(docker, 'caller', { labels: leads('docker://redis-1') });
  const ambassador = await Ambassador.start(engine, { network: 'host', args: ['--omnimode', '--dnat'] });
  await ambassador.line(ready('caller'));
  assert.equal(await nameOfRedis(docker, 'caller', { host }), 'redis-1');
});

test("containers whose localhost is somebody else's are refused, once, and that one is not touched", async () => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  const labels = leads('docker://redis-1');
  const rules = () => engine.onHost(['nft', '--stateless', 'list', 'ruleset']);
  const before = await rules();
  await caller(docker, 'on-host', { network: 'host', labels });
  await caller(docker, 'owner');
  await caller(docker, 'sidecar', { network: 'container:owner', labels });
  const untouched = await stateOf('owner');
  const ambassador = await Ambassador.start(engine);
  await ambassador.line(/^localhost of on-host does not lead .*the host's network/);
  await ambassador.line(/^localhost of sidecar does not lead .*put the labels on that one$/);
  assert.equal(await rules(), before);
  assert.equal(await stateOf('owner'), untouched);
});

test('--localhost off leaves every container alone', async () => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  await caller(docker, 'caller', { labels: leads('docker://redis-1') });
  const from = present();
  const untouched = await stateOf('caller');
  const ambassador = await Ambassador.start(engine, { args: ['--omnimode', '--localhost', 'off'] });
  const { ipv4 } = await docker.addresses('backends');
  assert.equal(await nameOfRedis(docker, 'caller', { host: ipv4 }), 'redis-1');
  assert.equal(await ambassador.end('TERM'), 0);
  assert.equal(await stateOf('caller'), untouched);
  assert.deepEqual(await madeSince(from), ['backends']);
});
