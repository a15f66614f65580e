/**
 * The gateway in its image, on a real engine with a real etcd: the sample of dynamic-ambassador's documents with the keys
 * written by hand, as the text "Under the hood" has them.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { Ambassador } from './ambassador.ts';
import { redis } from './containers.ts';
import { Engine } from './engine.ts';
import { ambassadorImage, copyImages, testImage } from './images.ts';
import { Registries } from './registries.ts';
import { until } from './until.ts';

let engine: Engine;
let registries: Registries;
/** The web application: a CGI program that asks its database, which it knows as "mysql", for a name. */
let www: string;

const domain = 'blog.domain.com';

before(async () => {
  engine = await Engine.start();
  await copyImages(engine, testImage, ambassadorImage);
  registries = await Registries.start(engine);
  www = await mkdtemp(join(tmpdir(), 'nce-www-'));
  const program =
    '#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\n"\nredis-cli -h mysql -p 3306 get name\nhostname\n';
  await engine.onHost(['mkdir', join(www, 'cgi-bin')]);
  await writeFile(join(www, 'cgi-bin', 'blog'), program, { mode: 0o755 });
});
afterEach(() => engine.docker.clear());
after(async () => {
  await registries?.close();
  await engine?.close();
  if (www !== undefined) await rm(www, { recursive: true, force: true });
});

/** Where the host has published a container's port: `172.17.0.1:49153`. */
async function published(name: string, port: number): Promise<string> {
  const text = await engine.docker.cli(['port', name, `${port}/tcp`]);
  const hostPort = /0\.0\.0\.0:(\d+)/.exec(text)?.[1];
  assert.ok(hostPort !== undefined, text);
  return `${registries.host}:${hostPort}`;
}

/** A database that says its name. @returns where it is published */
async function database(name: string): Promise<string> {
  await redis(engine.docker, name, { flags: ['-P', '--expose', '6379'] });
  return published(name, 6379);
}

/** The web application, as the sample starts it. @returns where it is published */
async function blog(name: string): Promise<string> {
  await engine.docker.run({
    image: testImage,
    name,
    links: ['dynamic-ambassador:mysql'],
    flags: ['-P', '--expose', '80', '--hostname', name],
    volumes: [`${www}:/www:ro`],
    args: ['busybox', 'httpd', '-f', '-p', '80', '-h', '/www'],
  });
  return published(name, 80);
}

/** A request from outside, with the Host header. @returns status, database, web container */
async function get(host = domain): Promise<string> {
  const url = `http://${registries.host}/cgi-bin/blog`;
  const text = await engine.onHost([
    'curl',
    '-s',
    '-m',
    '10',
    '-w',
    '%{http_code}',
    '-H',
    `Host: ${host}`,
    url,
  ]);
  const lines = text.split('\n');
  return [lines.at(-1), ...lines.slice(0, -1)].join(' ').trim();
}

test('the sample: a blog that reaches its database through the ambassador; what moves, joins, dies and comes back', async () => {
  const etcd = registries.etcd.bind(registries);
  const ambassador = await Ambassador.start(engine, {
    name: 'dynamic-ambassador',
    netAdmin: false,
    flags: ['-p', '80:80'],
    args: ['gateway', '--registry', `etcd://${registries.host}:2379`],
  });
  assert.match(await get(), /^404 /);
  await etcd('put', '/services/some-mysql/3306/db-1', await database('db-one'));
  await etcd('put', `/apps/${domain}/web-1`, await blog('web-one'));
  await until('the blog to answer', async () => ((await get()) === '200 db-one web-one' ? true : undefined));
  assert.equal(await get('BLOG.Domain.Com:80'), '200 db-one web-one');

  // From here on, no request fails.
  const seen = new Set<string>();
  let isOver = false;
  const asking = (async () => {
    while (!isOver) seen.add(await get());
  })();
  const sees = (text: string) => until(`an answer "${text}"`, () => seen.has(text) || undefined);

  await etcd('put', '/services/some-mysql/3306/db-1', await database('db-two'));
  await sees('200 db-two web-one');
  await engine.docker.remove('db-one');

  await etcd('put', `/applications/${domain}/web-2/${await blog('web-two')}`, '');
  await sees('200 db-two web-two');

  await engine.docker.cli(['kill', 'web-one']);
  await ambassador.line(/endpoint .* is left out/);
  seen.clear();
  await sees('200 db-two web-two');

  await registries.killEtcd();
  await ambassador.line(/registry etcd:.*what was registered before is served/);
  seen.clear();
  await sees('200 db-two web-two');
  await registries.startEtcd();
  await ambassador.line(/registry etcd:.*answers again/);
  isOver = true;
  await asking;
  assert.deepEqual(
    [...seen].filter((answer) => !answer.startsWith('200 db-two web-two')),
    [],
  );

  // A service that nobody registers any more is not listened on.
  await etcd('del', '--prefix', '/services/');
  await ambassador.line('port 3306: no service has it any more');
  const health = await ambassador.health();
  assert.match(health.stdout, /1 application\(s\) on \S+, 0 service\(s\)/);
  assert.equal(await ambassador.end('TERM'), 0);
});
