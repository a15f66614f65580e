/** The examples as they stand: what each one's commands bring up on a real engine works, and goes away again. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, afterEach, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openFilesLimit } from '../../src/sys/limits.ts';
import { command, type Outcome, output } from './command.ts';
import { caller, page, web } from './containers.ts';
import { Engine } from './engine.ts';
import { ambassadorImage, consulImage, copyImages, testImage } from './images.ts';
import { Registries } from './registries.ts';
import { SystemdUnit } from './systemd-unit.ts';
import { until } from './until.ts';

let engine: Engine;

before(async () => {
  engine = await Engine.start();
  await copyImages(engine, testImage, ambassadorImage, consulImage);
});
afterEach(() => engine.docker.clear());
after(() => engine.close());

const example = (path: string) => fileURLToPath(new URL(`../../examples/${path}`, import.meta.url));

/** Open files that a container may have here; the examples ask for this many where the machine allows it. */
async function openFiles(): Promise<string> {
  const limit = openFilesLimit(await readFile('/proc/self/limits', 'utf8')) ?? 0;
  return String(Math.min(65_536, limit));
}

/** What the examples take from the environment: images that this machine has, and the engine of the test. */
async function parameters(): Promise<Record<string, string>> {
  return {
    NOFILE: await openFiles(),
    PATH: process.env.PATH ?? '',
    DOCKER_HOST: engine.docker.host,
    DOCKER_SOCKET: engine.socket,
    NUNCIO_IMAGE: ambassadorImage,
    WEB_IMAGE: testImage,
    CONSUL_IMAGE: consulImage,
  };
}

/** Runs a program with the parameters and nothing else in its environment. */
async function withParameters(argv: readonly string[], more: Record<string, string> = {}): Promise<Outcome> {
  const variables = Object.entries({ ...(await parameters()), ...more }).map(
    ([name, value]) => `${name}=${value}`,
  );
  return command('env', ['-i', ...variables, ...argv], { timeoutMs: 120_000 });
}

async function succeeding(argv: readonly string[], more: Record<string, string> = {}): Promise<string> {
  const { code, stdout, stderr } = await withParameters(argv, more);
  assert.equal(code, 0, `${argv.join(' ')}\n${stdout}${stderr}`);
  return stdout.trimEnd();
}

/** Compose as the machine has it: the client's plugin, or the program of its own. */
async function compose(...args: readonly string[]): Promise<string> {
  const isPlugin = (await command('docker', ['compose', 'version'])).code === 0;
  const program = isPlugin ? ['docker', 'compose'] : ['docker-compose'];
  return succeeding([
    ...program,
    '--file',
    example('compose/compose.yaml'),
    '--project-name',
    'nce',
    ...args,
  ]);
}

/** Waits for a new line of a container's, by the engine's log. */
async function says(container: string, pattern: RegExp): Promise<void> {
  const { docker } = engine;
  const from = (await docker.logs(container)).length;
  const look = async () => pattern.test((await docker.logs(container)).slice(from)) || undefined;
  const otherwise = () => docker.logs(container);
  await until(`${container} to say ${pattern}`, look, { withinMs: 60_000, otherwise });
}

test('compose: the caller starts when everything is healthy, reaches both services, and a failing check takes one away', async () => {
  const { docker } = engine;
  await compose('up', '--detach');
  const container = await compose('ps', '--quiet', 'caller');
  const backends = await compose('ps', '--quiet', 'backends');
  assert.equal(await docker.inspect(backends, '{{.State.Health.Status}}'), 'healthy');
  await says(container, /^backends:80 {3}web on /m);
  await says(container, /^backends:8080 api on /m);

  await compose('stop', '--timeout', '1', 'api');
  await says(container, /^backends:8080 wget: /m);
  await says(container, /^backends:80 {3}web on /m);
  await compose('start', 'api');
  await says(container, /^backends:8080 api on /m);

  await compose('down', '--volumes', '--timeout', '1');
  assert.equal(await docker.cli(['ps', '--all', '--quiet']), '');
  assert.doesNotMatch(await docker.cli(['volume', 'ls', '--quiet']), /nce/);
});

test('systemd: both units pass systemd-analyze', async () => {
  for (const name of ['nuncio.service', 'nuncio-register@.service']) {
    assert.equal(await output('systemd-analyze', ['verify', example(`systemd/${name}`)]), '');
  }
});

/** A unit for this engine and this image. @param variables of its EnvironmentFile */
async function unit(
  name: string,
  instance = '',
  variables: Record<string, string> = {},
): Promise<SystemdUnit> {
  const files = await openFiles();
  return SystemdUnit.read(example(`systemd/${name}`), {
    run: (argv) => withParameters(argv, variables),
    replace: (line) =>
      line
        .replaceAll('%i', instance)
        .replaceAll('/usr/bin/docker', 'docker')
        .replaceAll('/var/run/docker.sock:', `${engine.socket}:`)
        .replaceAll('nuncio:latest', ambassadorImage)
        .replaceAll('nofile=65536:65536', `nofile=${files}:${files}`),
  });
}

test('systemd: nuncio.service starts an ambassador in place of one that was left over, and stops it', async () => {
  const { docker } = engine;
  // What an earlier life of the machine has left.
  await docker.run({ image: testImage, name: 'backends', args: ['sleep', '1000000'] });
  const ambassador = await unit('nuncio.service');
  for (let life = 1; life <= 2; life++) {
    await ambassador.start();
    const serves = async () =>
      (await docker.exec('backends', ['/start', '--health'])).code === 0 || undefined;
    await until('the ambassador to serve', serves, { otherwise: () => ambassador.outcome() });
    if (life === 1) {
      await web(docker, 'web', { network: 'nuncio' });
      await caller(docker, 'caller', { network: 'nuncio', env: { BACKEND_80: 'web:80' } });
    }
    assert.equal(await page(docker, 'caller', 'http://backends/'), 'web', `life ${life}`);
    assert.equal((await ambassador.stop())?.code, 0);
  }
  assert.match(await docker.cli(['volume', 'ls', '--quiet']), /^nuncio-state$/m);
  await docker.cli(['volume', 'rm', 'nuncio-state']);
});

test('systemd: nuncio-register@.service writes a published port into etcd, and takes it away', async () => {
  const { docker } = engine;
  await using registries = await Registries.start(engine);
  const { host } = registries;
  await web(docker, 'web', { flags: ['--publish', '49155:80'] });
  const registration = await unit('nuncio-register@.service', 'web', {
    ...{ REGISTER_PORT: '80', REGISTER_NAME: 'shop' },
    ...{ ETCD_HOST: `${host}:2379`, HOST_IP: host },
  });
  const entry = () => registries.etcd('get', '--print-value-only', '/services/shop/web');
  await registration.start();
  const value = await until('the entry', async () => (await entry()) || undefined);
  assert.deepEqual(JSON.parse(value), { port: 49_155, host });
  assert.equal((await registration.stop())?.code, 0);
  assert.equal(await entry(), '');
});

test("swarm: each node's callers reach what runs on it through the node's own ambassador", async () => {
  const { docker } = engine;
  await docker.cli(['swarm', 'init', '--advertise-addr', '127.0.0.1']);
  try {
    const gateway = await docker.cli([
      'network',
      'inspect',
      '--format',
      '{{(index .IPAM.Config 0).Gateway}}',
      'bridge',
    ]);
    const deploy = `stack deploy --resolve-image never --compose-file ${example('swarm/stack.yaml')} nce`;
    await succeeding(['docker', ...deploy.split(' ')], { BRIDGE_IP: gateway });
    const find = () => docker.cli(['ps', '--quiet', '--filter', 'name=nce_caller']);
    const container = await until('a caller', async () => (await find()) || undefined, { withinMs: 60_000 });
    await says(container, /^port 80: web on /m);

    await docker.cli(['stack', 'rm', 'nce']);
    const left = async () => (await docker.cli(['ps', '--all', '--quiet'])) === '' || undefined;
    await until('the containers to be gone', left, { withinMs: 60_000 });
    assert.doesNotMatch(await engine.onHost(['nft', 'list', 'ruleset']), /nuncio/);
  } finally {
    await docker.cli(['swarm', 'leave', '--force']);
  }
});
