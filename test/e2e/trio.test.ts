/** simple-amb, docker-register and dynamic-etcd-amb on one host: what they write, what they follow, how they are called. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Ambassador, type AmbassadorOptions } from './ambassador.ts';
import type { Outcome } from './command.ts';
import { caller, page, web } from './containers.ts';
import { Engine } from './engine.ts';
import { ambassadorImage, copyImages, testImage } from './images.ts';
import { Registries } from './registries.ts';
import { until } from './until.ts';

let engine: Engine;
let registries: Registries;

before(async () => {
  engine = await Engine.start();
  await copyImages(engine, testImage, ambassadorImage);
  registries = await Registries.start(engine);
});
afterEach(async () => {
  await engine.docker.clear();
  await registries.etcd('del', '--prefix', '/services');
});
after(async () => {
  await registries?.close();
  await engine?.close();
});

const key = '/services/apache-A/apache';
const plain = { socket: false, netAdmin: false };

const entry = () => registries.etcd('get', '--print-value-only', key);
const leases = async () => (await registries.etcd('lease', 'list')).split('\n').slice(1);

function becomes(value: string): Promise<true> {
  return until(`${key} to be ${value || 'gone'}`, async () => (await entry()) === value || undefined);
}

/** The port that a container's port 80 is published on. */
async function hostPort(name: string): Promise<number> {
  const [first = ''] = (await engine.docker.cli(['port', name, '80/tcp'])).split('\n');
  return Number(first.split(':').at(-1));
}

/** The document of a web server as it is published now. */
const document = async (name: string) => `{"port":${await hostPort(name)},"host":"${registries.host}"}`;

/** etcd behind a simple-amb by the name that the others link. */
function etcdAmb(): Promise<Ambassador> {
  const args = ['simple-amb', `${registries.host}:4001`];
  return Ambassador.start(engine, { ...plain, name: 'etcd-amb', args });
}

function register(options: Partial<AmbassadorOptions> = {}): Promise<Ambassador> {
  return Ambassador.start(engine, {
    name: 'register',
    netAdmin: false,
    links: ['etcd-amb:etcd'],
    args: ['docker-register', 'apache', '80', 'apache-A'],
    ready: /^etcd .*: registered|^nothing is registered/,
    ...options,
  });
}

/** The image, called to its end. */
function run(args: readonly string[], entrypoint?: string): Promise<Outcome> {
  const how = entrypoint === undefined ? {} : { entrypoint };
  return engine.docker.runToEnd({ image: ambassadorImage, args, ...how });
}

test("docker-register writes where a container is published, and follows its container's life", async () => {
  const { docker } = engine;
  await etcdAmb();
  const register1 = await register();
  await register1.line(/container apache does not run; waiting for it/);
  await web(docker, 'apache', { flags: ['--publish', `${registries.host}::80`] });
  await becomes(await document('apache'));
  assert.equal((await leases()).length, 1);
  const health = await register1.health();
  assert.deepEqual([health.code, health.stdout], [0, 'etcd answers, 1 of 1 registered\n']);

  await docker.cli(['kill', 'apache']);
  await becomes('');
  // Another container takes the port that the engine would give first.
  await web(docker, 'other', { flags: ['--publish', `${registries.host}::80`] });
  await docker.cli(['start', 'apache']);
  await becomes(await document('apache'));
  await docker.cli(['pause', 'apache']);
  await becomes('');
  await docker.cli(['unpause', 'apache']);
  await becomes(await document('apache'));
  await docker.remove('apache');
  await becomes('');
  await web(docker, 'apache', { flags: ['--publish', `${registries.host}::80`] });
  await becomes(await document('apache'));

  assert.equal(await register1.end(), 0);
  assert.equal(await entry(), '');
  assert.deepEqual(await leases(), []);
});

test('a registration that was killed ends with its lease, and is taken over without a gap before that', async () => {
  const { docker } = engine;
  await etcdAmb();
  await web(docker, 'apache', { flags: ['--publish', `${registries.host}::80`] });
  const killed = await register();
  await becomes(await document('apache'));
  await killed.end('KILL');
  const revision = await registries.etcd('get', '-w', 'fields', key);
  await killed.startAgain();
  assert.equal(await entry(), await document('apache'));
  const version = (fields: string) => /"CreateRevision" : (\d+)/.exec(fields)?.[1];
  assert.equal(version(await registries.etcd('get', '-w', 'fields', key)), version(revision));
  await killed.end('KILL');
  await until('the lease to be over', async () => (await entry()) === '' || undefined, { withinMs: 40_000 });
});

test('a port published on every address is registered under HOST_IP, and not at all without it', async () => {
  const { docker } = engine;
  await etcdAmb();
  await web(docker, 'apache', { flags: ['--publish', '80'] });
  const without = await register();
  await without.line(/publishes 80\/tcp on 0\.0\.0\.0:\d+.*, which is no address to dial: .*HOST_IP/);
  assert.equal(await entry(), '');
  await docker.remove('register');
  await register({
    env: { HOST_IP: registries.host },
    args: ['docker-register', 'apache', '80/tcp', 'apache-A', 'weight=3'],
  });
  const port = await hostPort('apache');
  await becomes(`{"port":${port},"host":"${registries.host}","weight":"3"}`);
});

test('dynamic-etcd-amb leads its port to what is registered, wherever that moves', async () => {
  const { docker } = engine;
  const etcd = await etcdAmb();
  await register({ ready: /does not run/ });
  await Ambassador.start(engine, {
    ...plain,
    name: 'amb',
    links: ['etcd-amb:etcd'],
    args: ['dynamic-etcd-amb', 'apache-A', '80'],
  });
  await caller(docker, 'app', { links: ['amb:apache'] });
  assert.match(await page(docker, 'app', 'http://apache/'), /reset/i);
  for (const flags of [
    ['--publish', `${registries.host}::80`],
    ['--publish', `${registries.host}:8088:80`],
  ]) {
    await web(docker, 'apache', { flags });
    const place = `${registries.host}:${await hostPort('apache')}`;
    await until(
      `a request to reach ${place}`,
      async () => (await page(docker, 'app', 'http://apache/')) === 'apache' || undefined,
    );
    await docker.remove('apache');
    await becomes('');
  }
  // The one in the middle comes back with another address: the link's variables are out of date, its name is not.
  await docker.cli(['kill', 'etcd-amb']);
  await docker.run({ image: testImage, name: 'takes-its-address', args: ['sleep', '1000000'] });
  await etcd.startAgain();
  await web(docker, 'apache', { flags: ['--publish', `${registries.host}::80`] });
  await until(
    'a request to be served',
    async () => (await page(docker, 'app', 'http://apache/')) === 'apache' || undefined,
    { withinMs: 60_000 },
  );
});

test('each is also what the program does when it is called by that name', async () => {
  const { docker } = engine;
  for (const name of ['simple-amb', 'docker-register', 'dynamic-etcd-amb']) {
    const help = await run(['--help'], name);
    assert.equal(help.code, 0, help.stderr);
    assert.match(help.stdout, new RegExp(`^nuncio ${name} [\\s\\S]*Example`));
    const wrong = await run([], name);
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, new RegExp(`^nuncio: ${name}: expected `));
  }
  // An image of the predecessor's name: its entry point is the command, and the arguments follow at once.
  const dockerfile = `FROM ${ambassadorImage}\nENTRYPOINT ["/usr/local/bin/simple-amb"]\n`;
  await docker.cli(['build', '--tag', 'polvi/simple-amb', '-'], { input: dockerfile });
  await docker.run({ image: 'polvi/simple-amb', name: 'amb', args: [`${registries.host}:4001`] });
  await docker.run({
    image: ambassadorImage,
    name: 'etcd-caller',
    entrypoint: 'sleep',
    args: ['1000000'],
    links: ['amb:etcd'],
  });
  const ask = "fetch('http://etcd:10000/health').then((answer) => answer.text()).then(console.log)";
  const answer = await until('etcd to answer through it', async () => {
    const { code, stdout } = await docker.exec('etcd-caller', ['node', '-e', ask]);
    return code === 0 ? stdout : undefined;
  });
  assert.match(answer, /"health":"true"/);
  await docker.cli(['stop', '--time', '3', 'amb']);
  assert.equal(await docker.inspect('amb', '{{.State.ExitCode}}'), '0');
});
