/** connectable's README, command by command: the image's name is changed and nothing else. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Ambassador } from './ambassador.ts';
import { caller, nameOfRedis, redis } from './containers.ts';
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
after(async () => {
  await registries?.close();
  await engine?.close();
});

/** Starts a Redis that Consul knows as an instance of a service. */
async function instance(name: string, service: string, ...more: readonly string[]): Promise<void> {
  await redis(engine.docker, name);
  const { ipv4 } = await engine.docker.addresses(name);
  const what = [`-name=${service}`, `-id=${name}`, `-address=${ipv4}`, '-port=6379', ...more];
  await registries.consul('services', 'register', ...what);
}

test("labels with names of Consul's lead localhost to the instances, as they come and go", async () => {
  const { docker } = engine;
  await instance('redis-1', 'redis');
  await instance('mysql-1', 'mysql');
  await instance('mysql-2', 'mysql', '-tag=master');
  // In the README, Resolvable makes the containers ask Consul's DNS.
  const flags = ['--dns', registries.host];
  const ambassador = await Ambassador.start(engine, {
    name: 'connectable',
    args: [],
    netAdmin: false,
    flags,
  });
  const labels = {
    'connect.6000': 'redis.service.consul',
    'connect.3306': 'master.mysql.service.consul',
  };
  await caller(docker, 'myservice', { labels });
  await ambassador.line('localhost of myservice: port(s) 3306, 6000 lead to the ambassador');
  const reached = (port: number) => nameOfRedis(docker, 'myservice', { host: 'localhost', port });
  assert.equal(await reached(6000), 'redis-1');
  assert.equal(await reached(3306), 'mysql-2');

  await instance('redis-2', 'redis');
  await until('the new instance to be reached', async () => (await reached(6000)) === 'redis-2' || undefined);
  await docker.remove('redis-1');
  // Consul does not know of it yet: the next instance is dialled.
  for (let call = 0; call < 4; call++) assert.equal(await reached(6000), 'redis-2');
});
