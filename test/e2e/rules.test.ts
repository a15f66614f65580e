/** The rules of the real ambassador: who sets them, that they stay as they are, and that nothing of them is left. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Ambassador } from './ambassador.ts';
import { caller, dialFrom, nameOfRedis, nodeCaller, page, redis, web } from './containers.ts';
import { Engine } from './engine.ts';
import { ambassadorImage, copyImages, testImage } from './images.ts';
import { runnable } from './privileged.ts';

let engine: Engine;

before(async () => {
  engine = await Engine.start();
  await copyImages(engine, testImage, ambassadorImage);
});
afterEach(() => engine.docker.clear());
after(() => engine.close());

const links = ['backends'];
const env = { BACKEND_6379: 'docker://redis-1' };

/** Every rule in the network namespace of a container, of nft (which shows iptables-nft's too). */
function rulesOf(container: string): Promise<string> {
  return engine.inNetworkOf(container, 'nft', '--stateless', 'list', 'ruleset');
}

/** Every rule of the older kind; looking makes the table, so only where there is one. */
function legacyRulesOf(container: string): Promise<string> {
  return engine.inNetworkOf(container, 'iptables-legacy', '--table', 'nat', '--list-rules');
}

/** A container that does nothing but hold a network namespace which an ambassador shares, and which outlives it. */
async function holder(network = 'bridge'): Promise<void> {
  await caller(engine.docker, 'backends', { network });
}

test('without NET_ADMIN the log names the command that sets the rules; it does, once however often, and undoes it', async (t) => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  const ambassador = await Ambassador.start(engine, { netAdmin: false });
  await nodeCaller(docker, 'node', { links, env });
  await caller(docker, 'caller', { links, env });
  assert.equal(await dialFrom(docker, 'node', 'backends', 6379), 'ECONNREFUSED');
  const before = await rulesOf('backends');

  const { message } = await ambassador.line({ level: 'warn' });
  const pattern =
    /set them with: (docker run --rm --privileged --net container:backends nuncio --setup-iptables) /;
  const [, ...advised] = pattern.exec(message)?.[1]?.split(' ') ?? [];
  assert.ok(advised.length > 0, message);
  // The image may be under test by another name than the one that is advised.
  const advice = advised.map((word) => (word === 'nuncio' ? ambassadorImage : word));
  const setup = await runnable(advice, (note) => t.diagnostic(note));
  assert.match(
    await docker.cli(setup),
    /^nat rules set by nft, IPv4 and IPv6: .*; proved by a connection to /,
  );
  assert.equal(await nameOfRedis(docker, 'caller'), 'redis-1');
  const standing = await rulesOf('backends');
  assert.match(standing, /table inet nuncio/);

  await docker.cli(setup);
  assert.equal(await rulesOf('backends'), standing);
  assert.equal(await nameOfRedis(docker, 'caller'), 'redis-1');

  const cleanup = setup.with(-1, '--cleanup-iptables');
  assert.match(await docker.cli(cleanup), /rules removed from nft/);
  assert.equal(await rulesOf('backends'), before);
  assert.match(await docker.cli(cleanup), /no rules of nuncio were here/);
  assert.equal(await dialFrom(docker, 'node', 'backends', 6379), 'ECONNREFUSED');
});

test('an ambassador without NET_ADMIN sees the rules that somebody else has set', async () => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  await holder();
  const network = 'container:backends';
  const capAdd = ['NET_ADMIN'];
  const outcome = await docker.runToEnd({
    image: ambassadorImage,
    capAdd,
    network,
    args: ['--setup-iptables'],
  });
  assert.equal(outcome.code, 0, outcome.stderr);
  const ambassador = await Ambassador.start(engine, { name: 'ambassador', netAdmin: false, network });
  await ambassador.line('nat rules are there');
  await caller(docker, 'caller', { links, env });
  assert.equal(await nameOfRedis(docker, 'caller'), 'redis-1');
});

test('rules that somebody flushes are put back', async () => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  const ambassador = await Ambassador.start(engine);
  await caller(docker, 'caller', { links, env });
  const standing = await rulesOf('backends');
  await engine.inNetworkOf('backends', 'nft', 'flush', 'ruleset');
  await ambassador.line({ level: 'warn', message: 'nat rules had vanished or were changed; put back' });
  assert.equal(await rulesOf('backends'), standing);
  assert.equal(await nameOfRedis(docker, 'caller'), 'redis-1');
});

test('SIGTERM ends with 0 and leaves no rule in a network that outlives the ambassador', async () => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  await holder();
  const before = await rulesOf('backends');
  const ambassador = await Ambassador.start(engine, { name: 'ambassador', network: 'container:backends' });
  await caller(docker, 'caller', { links, env });
  assert.equal(await nameOfRedis(docker, 'caller'), 'redis-1');
  assert.notEqual(await rulesOf('backends'), before);

  assert.equal(await ambassador.end('TERM'), 0);
  assert.equal(await rulesOf('backends'), before);
});

test('an ambassador that was killed finds its rules in a network that outlived it, and there is one set of them', async () => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  await holder();
  const before = await rulesOf('backends');
  const ambassador = await Ambassador.start(engine, { name: 'ambassador', network: 'container:backends' });
  await caller(docker, 'caller', { links, env });
  const standing = await rulesOf('backends');

  assert.equal(await ambassador.end('KILL'), 137);
  assert.equal(await rulesOf('backends'), standing);
  await ambassador.startAgain();
  assert.equal(await rulesOf('backends'), standing);
  assert.equal(await nameOfRedis(docker, 'caller'), 'redis-1');
  assert.equal(await ambassador.end('TERM'), 0);
  assert.equal(await rulesOf('backends'), before);
});

test("rules of Docker's DNS and of iptables-legacy stand beside ours, work, and stay when ours go", async () => {
  const { docker } = engine;
  await docker.createNetwork('own');
  await redis(docker, 'redis-1', { network: 'own' });
  await holder('own');
  const foreign = '--append PREROUTING --protocol tcp --dport 6379 --jump REDIRECT --to-ports 1';
  await engine.inNetworkOf('backends', 'iptables-legacy', '--table', 'nat', ...foreign.split(' '));
  const before = { nft: await rulesOf('backends'), legacy: await legacyRulesOf('backends') };
  assert.match(before.nft, /127\.0\.0\.11/);
  assert.match(before.legacy, /--dport 6379/);

  const ambassador = await Ambassador.start(engine, { name: 'ambassador', network: 'container:backends' });
  await caller(docker, 'caller', { network: 'own', env: { BACKEND_6379: 'redis-1:6379' } });
  // The name is asked of Docker's DNS by the ambassador.
  assert.equal(await nameOfRedis(docker, 'caller'), 'redis-1');
  assert.equal(await legacyRulesOf('backends'), before.legacy);

  assert.equal(await ambassador.end('TERM'), 0);
  assert.equal(await rulesOf('backends'), before.nft);
  assert.equal(await legacyRulesOf('backends'), before.legacy);
  const { stdout } = await docker.exec('backends', ['nslookup', 'redis-1']);
  assert.match(stdout, /Name:\s+redis-1/);
});

const rulesOnHost = () => engine.onHost(['nft', '--stateless', 'list', 'ruleset']);
const onHost = { network: 'host', name: 'ambassador' };

/** What a caller on the default bridge calls its host. */
function hostOf(container: string): Promise<string> {
  return engine.docker.inspect(container, '{{.NetworkSettings.Gateway}}');
}

test('on the network of the host, what containers send to the bridge reaches the proxy, but not what the host itself serves', async () => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  await web(docker, 'host-service', { port: 8080, network: 'host' });
  await caller(docker, 'caller', { env: { ...env, BACKEND_8080: 'docker://redis-1:6379' } });
  const host = await hostOf('caller');
  const before = await rulesOnHost();

  const ambassador = await Ambassador.start(engine, { ...onHost, args: ['--omnimode', '--dnat'] });
  assert.equal(await nameOfRedis(docker, 'caller', { host }), 'redis-1');
  await ambassador.connection({ caller: 'caller', destination: `${host}:6379` });
  const host6 = await docker.inspect('caller', '{{.NetworkSettings.IPv6Gateway}}');
  assert.equal(await nameOfRedis(docker, 'caller', { host: host6 }), 'redis-1');
  assert.equal(await page(docker, 'caller', `http://${host}:8080/`), 'host-service');

  assert.equal(await ambassador.end('TERM'), 0);
  assert.equal(await rulesOnHost(), before);
  assert.match(await nameOfRedis(docker, 'caller', { host }), /refused/);
});

test('on the network of the host, --take-ports takes what the host serves as long as the ambassador runs', async () => {
  const { docker } = engine;
  await redis(docker, 'redis-1');
  await web(docker, 'host-service', { port: 8080, network: 'host' });
  await caller(docker, 'caller', { env: { BACKEND_8080: 'docker://redis-1:6379' } });
  const host = await hostOf('caller');
  const before = await rulesOnHost();

  const args = ['--omnimode', '--dnat', '--take-ports', '8080'];
  const ambassador = await Ambassador.start(engine, { ...onHost, args });
  assert.equal(await nameOfRedis(docker, 'caller', { host, port: 8080 }), 'redis-1');
  // The host itself still reaches its service.
  assert.equal(await page(docker, 'host-service', `http://${host}:8080/`), 'host-service');

  assert.equal(await ambassador.end('TERM'), 0);
  assert.equal(await rulesOnHost(), before);
  assert.equal(await page(docker, 'caller', `http://${host}:8080/`), 'host-service');
});

test('on the network of the host without --dnat no rule is set: it would take the services of the host', async () => {
  const { docker } = engine;
  const before = await rulesOnHost();
  const capAdd = ['NET_ADMIN'];
  for (const args of [['--omnimode'], ['--setup-iptables'], ['--redirect', '-provider=docker']]) {
    const run = { image: ambassadorImage, network: 'host', capAdd, volumes: [engine.socketMount], args };
    const { code, stderr } = await docker.runToEnd(run);
    assert.equal(code, 1, args.join(' '));
    assert.match(stderr, /^nuncio: .*add --dnat/m);
  }
  assert.equal(await rulesOnHost(), before);
  const ambassador = await Ambassador.start(engine, { ...onHost, args: ['-provider=docker', '-p=3232'] });
  await ambassador.line('no rules are set: --dnat sets them, or your own lead to port 3232');
  assert.equal(await rulesOnHost(), before);
});
