import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { command } from './command.ts';
import { Engine } from './engine.ts';
import { copyImages, testImage } from './images.ts';
import { mountsBelow, processesNaming } from './leftovers.ts';

let engine: Engine;

before(async () => {
  engine = await Engine.start({ liveRestore: true });
  await copyImages(engine, testImage);
});
afterEach(() => engine.docker.clear());
after(() => engine.close());

/** A web server that answers with a text, ready when this returns. */
async function web(name: string, more: { network?: string; aliases?: string[] } = {}): Promise<void> {
  const script = `echo ${name} > /www/index.html; exec httpd -f -h /www -p '[::]:80'`;
  await engine.docker.run({ image: testImage, name, args: ['sh', '-c', script], ...more });
  const isListening = 'for i in $(seq 100); do wget -qO- http://[::1]/ && exit; usleep 50000; done; exit 1';
  const { code } = await engine.docker.exec(name, ['sh', '-c', isListening]);
  assert.equal(code, 0, await engine.docker.logs(name));
}

async function fetchFrom(url: string, more: { links?: string[]; network?: string }): Promise<string> {
  const { docker } = engine;
  const { stdout, stderr } = await docker.runToEnd({
    image: testImage,
    args: ['timeout', '5', 'wget', '-qO-', url],
    ...more,
  });
  return stdout.trim() || stderr;
}

test('containers meet by a link on the default bridge', async () => {
  await web('linked');
  assert.equal(await fetchFrom('http://alias/', { links: ['linked:alias'] }), 'linked');
});

test('containers meet by an alias on a network of their own, by IPv4 and IPv6', async () => {
  await engine.docker.createNetwork('own', { subnet: '10.89.0.0/24', subnet6: 'fd00:89::/64' });
  await web('member', { network: 'own', aliases: ['alias'] });
  const { ipv4, ipv6 } = await engine.docker.addresses('member', 'own');
  assert.match(ipv4, /^10\.89\.0\./);
  assert.match(ipv6, /^fd00:89::/);
  for (const host of ['alias', ipv4, `[${ipv6}]`]) {
    assert.equal(await fetchFrom(`http://${host}/`, { network: 'own' }), 'member', host);
  }
});

test('containers meet by IPv6 on the default bridge', async () => {
  await web('six');
  const { ipv6 } = await engine.docker.addresses('six');
  assert.equal(await fetchFrom(`http://[${ipv6}]/`, {}), 'six');
});

test('the test image has a Redis that works', async () => {
  await engine.docker.run({
    image: testImage,
    name: 'redis',
    args: ['redis-server', '--protected-mode', 'no'],
  });
  const ask = 'for i in $(seq 100); do redis-cli -h redis ping && exit; usleep 50000; done; exit 1';
  const { stdout } = await engine.docker.runToEnd({
    image: testImage,
    links: ['redis'],
    args: ['sh', '-c', ask],
  });
  assert.match(stdout, /PONG/);
});

test("a container on the host's network is on the engine's host, not on the machine", async () => {
  const { stdout } = await engine.docker.runToEnd({
    image: testImage,
    network: 'host',
    args: ['ip', 'link'],
  });
  assert.match(stdout, /docker0/);
  assert.equal(stdout.includes('eth0'), false, stdout);
  assert.match(await engine.onHost(['ip', '-o', 'link']), /docker0/);
});

test('a daemon that is restarted or killed finds its containers again', async () => {
  await web('steady');
  const startedAt = await engine.docker.inspect('steady', '{{.State.StartedAt}}');
  await engine.restart();
  await engine.kill();
  await assert.rejects(engine.docker.cli(['version']));
  await engine.startDaemon();
  assert.equal(await engine.docker.inspect('steady', '{{.State.StartedAt}}'), startedAt);
  assert.equal(await fetchFrom('http://steady/', { links: ['steady'] }), 'steady');
});

test('closing leaves nothing, not even after the daemon was killed with containers running', async () => {
  const other = await Engine.start();
  const directory = dirname(other.socket);
  await copyImages(other, testImage);
  await other.docker.run({ image: testImage, args: ['sleep', '1000000'] });
  await other.kill();
  assert.notDeepEqual(await processesNaming(directory), []);
  assert.notDeepEqual(await mountsBelow(directory), []);
  await other.close();
  await other.close();
  assert.deepEqual(await processesNaming(directory), []);
  assert.deepEqual(await mountsBelow(directory), []);
  assert.equal((await readdir('/run/netns')).includes(other.namespace), false);
  await assert.rejects(readdir(directory), { code: 'ENOENT' });
});

test('an engine whose test was killed goes when the next one starts', async () => {
  const modules = ['engine', 'images'].map((name) => new URL(`./${name}.ts`, import.meta.url).href);
  const script = `
    const [{ Engine }, { copyImages, testImage }] = await Promise.all(process.argv.slice(1).map((url) => import(url)));
    const engine = await Engine.start();
    await copyImages(engine, testImage);
    await engine.docker.run({ image: testImage, args: ['sleep', '1000000'] });
    console.log(engine.namespace);
    process.kill(process.pid, 'SIGKILL');`;
  const { stdout } = await command(process.execPath, ['--input-type=module', '-e', script, ...modules]);
  const namespace = stdout.trim();
  const directory = join(dirname(dirname(engine.socket)), namespace);
  assert.notDeepEqual(await processesNaming(directory), []);
  await (await Engine.start()).close();
  assert.deepEqual(await processesNaming(directory), []);
  assert.deepEqual(await mountsBelow(directory), []);
  assert.equal((await readdir('/run/netns')).includes(namespace), false);
  await assert.rejects(readdir(directory), { code: 'ENOENT' });
});
