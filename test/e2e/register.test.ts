/** nuncio register with the real registries: what the containers of a host ask for is there for as long as they run. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Ambassador, type AmbassadorOptions } from './ambassador.ts';
import { redis, web } from './containers.ts';
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
  for (const root of ['/apps', '/services', '/eu']) await registries.etcd('del', '--prefix', root);
});
after(async () => {
  await registries?.close();
  await engine?.close();
});

const hostIp = '10.0.0.5';
const publishAll = ['--expose', '80', '--publish-all'];

function register(options: Partial<AmbassadorOptions> = {}): Promise<Ambassador> {
  return Ambassador.start(engine, {
    name: 'register',
    netAdmin: false,
    args: ['register', '--registry', `etcd://${registries.host}:2379`, '--host-ip', hostIp],
    ready: /^registering at /,
    ...options,
  });
}

const leases = async () => (await registries.etcd('lease', 'list')).split('\n').slice(1);

/** Every key of the roots with its value, in order: `/apps/a.b/<id> 10.0.0.5:32768`. */
async function written(): Promise<string[]> {
  const all = await Promise.all(
    ['/apps', '/services', '/eu'].map((root) => registries.etcd('get', '--prefix', root)),
  );
  const lines = all.filter((text) => text !== '').flatMap((text) => text.split('\n'));
  return lines.flatMap((line, at) => (at % 2 === 0 ? `${line} ${lines[at + 1]}` : [])).toSorted();
}

async function becomes(...keys: readonly string[]): Promise<void> {
  const wanted = keys.toSorted().join('\n');
  const look = async () => (await written()).join('\n') === wanted || undefined;
  await until(`etcd to have\n${wanted}`, look, { otherwise: async () => (await written()).join('\n') });
}

/** `/root/<name's id> HOST_IP:<its published port>` */
async function key(folder: string, name: string, containerPort = 80): Promise<string> {
  const id = (await engine.docker.inspect(name, '{{.Id}}')).slice(0, 12);
  const [first = ''] = (await engine.docker.cli(['port', name, `${containerPort}/tcp`])).split('\n');
  return `${folder}/${id} ${hostIp}:${first.split(':').at(-1)}`;
}

test('applications and services are in etcd while they run, and nothing of them after that', async () => {
  const { docker } = engine;
  const env = { DOMAIN_NAME: 'blog.domain.com,*.example.com' };
  await web(docker, 'early', { env, flags: publishAll });
  const registrar = await register();
  const blog = async () => [
    await key('/apps/blog.domain.com', 'early'),
    await key('/apps/*.example.com', 'early'),
  ];
  await becomes(...(await blog()));
  await redis(docker, 'some-mysql', {
    env: { SERVICE_PORT: '6379' },
    flags: ['--publish', '6379', '--publish', '80'],
  });
  const mysql = () => key('/services/some-mysql/6379', 'some-mysql', 6379);
  await becomes(...(await blog()), await mysql());
  const health = await registrar.health();
  assert.deepEqual([health.code, health.stdout], [0, 'the registry answers, 3 of 3 registered\n']);

  await docker.cli(['pause', 'early']);
  await becomes(await mysql());
  await docker.cli(['unpause', 'early']);
  await becomes(...(await blog()), await mysql());
  await docker.cli(['kill', 'some-mysql']);
  await becomes(...(await blog()));
  await docker.cli(['start', 'some-mysql']);
  await becomes(...(await blog()), await mysql());
  await docker.cli(['network', 'disconnect', 'bridge', 'early']);
  await becomes(await mysql());
  await docker.cli(['network', 'connect', 'bridge', 'early']);
  await becomes(...(await blog()), await mysql());
  await docker.remove('early', 'some-mysql');
  await becomes();
  await web(docker, 'early', { env, flags: publishAll });
  await becomes(...(await blog()));

  assert.equal(await registrar.end(), 0);
  assert.deepEqual(await written(), []);
  assert.deepEqual(await leases(), []);
});

test('as the predecessor was run: ETCD_HOST, HOST_IP; what cannot be registered is told once', async () => {
  const { docker } = engine;
  const env = { ETCD_HOST: `${registries.host}:4001`, HOST_IP: hostIp };
  const registrar = await register({ args: ['register', '--prefix', '/eu'], env });
  await web(docker, 'unpublished', { env: { DOMAIN_NAME: 'a.b' } });
  await web(docker, 'odd', {
    env: { DOMAIN_NAME: 'not a domain,c.d', SERVICE_PORT: 'http' },
    flags: publishAll,
  });
  await becomes(await key('/eu/apps/c.d', 'odd'));
  await registrar.line(/container unpublished: not registered: no TCP port is published; start it with -P/);
  await registrar.line(/container odd: not registered: DOMAIN_NAME: .* found "not a domain"/);
  await registrar.line(/container odd: not registered: SERVICE_PORT: .* found "http"/);
  await docker.cli(['pause', 'odd']);
  await becomes();
  await docker.cli(['unpause', 'odd']);
  await becomes(await key('/eu/apps/c.d', 'odd'));
  const told = (await registrar.lines()).filter(({ message }) => message.includes('not registered'));
  assert.equal(told.length, 3);
});

test('etcd that comes back without its data is told everything again', async () => {
  const { docker } = engine;
  await web(docker, 'web', { env: { DOMAIN_NAME: 'a.b' }, flags: publishAll });
  const registrar = await register();
  const wanted = await key('/apps/a.b', 'web');
  await becomes(wanted);
  await registries.killEtcd();
  await registries.wipeEtcd();
  await registries.startEtcd();
  await becomes(wanted);
  await registrar.line(/the lease was over; writing again \(1\)/);
});

test('in Consul they are services with a check, by which the gateway finds them', async () => {
  const { docker } = engine;
  await web(docker, 'web', { env: { DOMAIN_NAME: 'a.b' }, flags: ['--publish', `${registries.host}::80`] });
  const args = ['register', '--registry', `consul://${registries.host}:8500`, '--host-ip', registries.host];
  const registrar = await register({ args });
  const passing = async () => JSON.parse(await registries.consulApi('/v1/health/service/a.b?passing'));
  const [found] = await until('the service to pass its check', async () => {
    const all = await passing();
    return all.length === 1 ? all : undefined;
  });
  const [first = ''] = (await docker.cli(['port', 'web', '80/tcp'])).split('\n');
  assert.deepEqual(
    [found.Service.Address, found.Service.Port],
    [registries.host, Number(first.split(':').at(-1))],
  );
  assert.deepEqual(found.Service.Tags, ['nuncio-app']);
  await docker.remove('web');
  const isGone = async () => (await passing()).length === 0 || undefined;
  await until('it to be gone', isGone);
  await web(docker, 'web', { env: { DOMAIN_NAME: 'a.b' }, flags: ['--publish', `${registries.host}::80`] });
  await until('it to be back', async () => (await passing()).length === 1 || undefined);
  assert.equal(await registrar.end(), 0);
  await until('nothing to be left', isGone);
});
