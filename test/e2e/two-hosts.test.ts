/** Two hosts of a cluster, each with its own engine and ambassador, and one etcd: whoever runs where is reached from both. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Ambassador } from './ambassador.ts';
import { type CableEnd, cable } from './cable.ts';
import { caller, nameOfRedis, redis, web } from './containers.ts';
import { Engine } from './engine.ts';
import { ambassadorImage, copyImages, testImage } from './images.ts';
import { Registries } from './registries.ts';
import { until } from './until.ts';

const domain = 'blog.domain.com';
/** Longer than the lease of a host that has crashed, and the grace for keys that are lost. */
const afterTheLeaseMs = 90_000;

let left: CableEnd;
let right: CableEnd;
let registries: Registries;

before(async () => {
  left = { engine: await Engine.start(), ip: '10.132.233.107' };
  right = { engine: await Engine.start(), ip: '10.132.233.106' };
  await cable(left, right);
  registries = await Registries.start(left.engine);
  for (const { engine } of [left, right]) await copyImages(engine, testImage, ambassadorImage);
});
after(async () => {
  await registries?.close();
  await left?.engine.close();
  await right?.engine.close();
});

/** As dynamic-ambassador's image was run: no argument, and both addresses in the environment. */
function ambassador({ engine, ip }: CableEnd): Promise<Ambassador> {
  return Ambassador.start(engine, {
    name: 'dynamic-ambassador',
    netAdmin: false,
    args: [],
    env: { ETCD_HOST: `${left.ip}:4001`, HOST_IP: ip },
    flags: ['-p', '80:80'],
    ready: /^registering at /,
  });
}

const blog = ({ engine }: CableEnd, name: string) =>
  web(engine.docker, name, { env: { DOMAIN_NAME: domain }, flags: ['-P', '--expose', '80'] });

/** What a request from a host to its own ambassador is answered. */
const ask = ({ engine, ip }: CableEnd) =>
  engine.onHost(['curl', '-s', '-m', '10', '-H', `Host: ${domain}`, `http://${ip}/`]);

/** Asks until each of the names has answered, and nobody else. */
async function answeredBy(host: CableEnd, ...names: readonly string[]): Promise<void> {
  const seen = new Set<string>();
  await until(`${names.join(' and ')} to answer at ${host.ip}`, async () => {
    seen.add(await ask(host));
    return names.every((name) => seen.has(name)) || undefined;
  });
  assert.deepEqual([...seen].toSorted(), names.toSorted());
}

/** Waits until four answers in a row are one instance's. */
async function aloneAt(host: CableEnd, name: string): Promise<void> {
  const look = async () => {
    for (let count = 0; count < 4; count++) if ((await ask(host)) !== name) return undefined;
    return true;
  };
  await until(`${name} to be alone at ${host.ip}`, look, { withinMs: afterTheLeaseMs });
}

/** The hosts that the registered applications and services are on. */
async function hostsIn(root: string): Promise<string[]> {
  const values = await registries.etcd('get', '--prefix', '--print-value-only', root);
  return values
    .split('\n')
    .filter((line) => line !== '')
    .map((value) => value.split(':')[0] ?? '')
    .toSorted();
}

async function become(root: string, hosts: readonly string[], withinMs: number): Promise<void> {
  const wanted = hosts.toSorted().join();
  const look = async () => (await hostsIn(root)).join() === wanted || undefined;
  await until(`${root} to be on ${wanted || 'no host'}`, look, {
    withinMs,
    otherwise: async () => (await hostsIn(root)).join(),
  });
}

test('two ambassadors share one etcd: each registers its own host, both serve all, none takes the other’s keys', async () => {
  const [atLeft, atRight] = [await ambassador(left), await ambassador(right)];
  await blog(left, 'blog-left');
  await blog(right, 'blog-right');
  await redis(right.engine.docker, 'some-mysql', {
    env: { SERVICE_PORT: '3306' },
    flags: ['-P', '--expose', '6379'],
  });
  await become('/apps/', [left.ip, right.ip], 20_000);
  await become('/services/', [right.ip], 20_000);

  for (const host of [left, right]) await answeredBy(host, 'blog-left', 'blog-right');
  await atLeft.line(/3306/);
  await caller(left.engine.docker, 'wordpress', { links: ['dynamic-ambassador:mysql'] });
  const target = { host: 'mysql', port: 3306 };
  assert.equal(await nameOfRedis(left.engine.docker, 'wordpress', target), 'some-mysql');

  assert.equal(await atRight.end('TERM'), 0);
  assert.deepEqual(await hostsIn('/apps/'), [left.ip]);
  assert.deepEqual(await hostsIn('/services/'), []);
  await aloneAt(left, 'blog-left');

  await atRight.startAgain();
  await become('/apps/', [left.ip, right.ip], 20_000);
  await answeredBy(right, 'blog-left', 'blog-right');
  await atLeft.end('KILL');
  await become('/apps/', [right.ip], afterTheLeaseMs);
  await aloneAt(right, 'blog-right');
});
