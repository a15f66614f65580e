/**
 * dynamic-ambassador's documents, their sample as it stands: the image is run without arguments, with ETCD_HOST and HOST_IP;
 * the containers say by their environment what they are. Then what a cluster does: the database moves, a second web instance
 * joins, one dies, etcd comes back empty: no request fails.
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

/** `docker run --name dynamic-ambassador -h dynamic-ambassador-1 -v … -e ETCD_HOST=… -e HOST_IP=… -p 80:80 IMAGE` */
function ambassador(): Promise<Ambassador> {
  const name = 'dynamic-ambassador';
  return Ambassador.start(engine, {
    name,
    netAdmin: false,
    args: [],
    env: { ETCD_HOST: `${registries.host}:4001`, HOST_IP: registries.host },
    flags: ['-h', `${name}-1`, '-p', '80:80'],
    ready: /^registering at /,
  });
}

/** `docker run -d --name some-mysql -e SERVICE_PORT=3306 -P mysql`; this one publishes 6379, and says its name. */
function database(name: string): Promise<void> {
  return redis(engine.docker, name, { env: { SERVICE_PORT: '3306' }, flags: ['-P', '--expose', '6379'] });
}

/** `docker run -d --name … --link dynamic-ambassador:mysql -e DOMAIN_NAME=blog.domain.com -P wordpress` */
async function blog(name: string): Promise<void> {
  await engine.docker.run({
    image: testImage,
    name,
    links: ['dynamic-ambassador:mysql'],
    env: { DOMAIN_NAME: 'blog.domain.com' },
    flags: ['-P', '--expose', '80', '--hostname', name],
    volumes: [`${www}:/www:ro`],
    args: ['busybox', 'httpd', '-f', '-p', '80', '-h', '/www'],
  });
}

/** `curl -H "Host: blog.domain.com" 172.17.42.1` from outside. @returns status, database, web container */
async function get(): Promise<string> {
  const url = `http://${registries.host}/cgi-bin/blog`;
  const curl = ['curl', '-s', '-m', '10', '-w', '%{http_code}', '-H', 'Host: blog.domain.com', url];
  const lines = (await engine.onHost(curl)).split('\n');
  return [lines.at(-1), ...lines.slice(0, -1)].join(' ').trim();
}

const answers = (text: string) =>
  until(`the answer "${text}"`, async () => ((await get()) === text ? true : undefined));

const keys = async (root: string) =>
  (await registries.etcd('get', '--prefix', '--keys-only', root)).split('\n').filter((line) => line !== '');

/** Asks all the time; no answer may be anything but 200. */
class Asking {
  readonly seen = new Set<string>();
  #isOver = false;
  readonly #asked: Promise<void>;

  constructor() {
    this.#asked = (async () => {
      while (!this.#isOver) this.seen.add(await get());
    })();
  }

  /** Waits for an answer, of those that come from now on. */
  async sees(text: string): Promise<void> {
    this.#judge();
    this.seen.clear();
    const otherwise = () => [...this.seen].join('\n');
    await until(`an answer "${text}"`, () => this.seen.has(text) || undefined, {
      withinMs: 30_000,
      otherwise,
    });
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#asked;
    this.#judge();
  }

  #judge(): void {
    assert.deepEqual(
      [...this.seen].filter((answer) => !answer.startsWith('200 ')),
      [],
    );
  }
}

test('the sample; then the database moves, a second web instance joins, one dies, etcd comes back empty', async () => {
  const { docker } = engine;
  const first = await ambassador();
  await database('some-mysql');
  await blog('some-wordpress');
  await answers('200 some-mysql some-wordpress');
  const [service = ''] = await keys('/services/some-mysql/3306/');
  const asking = new Asking();

  await docker.remove('some-mysql');
  await until('the service to go', async () => (await keys(service)).length === 0 || undefined);
  await database('some-mysql');
  await asking.sees('200 some-mysql some-wordpress');
  assert.notDeepEqual(await keys('/services/some-mysql/3306/'), [service]);

  await blog('other-wordpress');
  await asking.sees('200 some-mysql other-wordpress');
  await docker.cli(['kill', 'some-wordpress']);
  await until('one instance', async () => (await keys('/apps/')).length === 1 || undefined);
  await asking.sees('200 some-mysql other-wordpress');

  await registries.killEtcd();
  await first.line(/registry etcd:.*what was registered before is served/);
  await asking.sees('200 some-mysql other-wordpress');
  await registries.wipeEtcd();
  await registries.startEtcd();
  await until(
    'all keys to be written again',
    async () => (await keys('/apps/')).length + (await keys('/services/')).length === 2 || undefined,
  );
  await first.line(/registry etcd:.*answers again/);
  await asking.sees('200 some-mysql other-wordpress');
  await asking.end();

  const health = await first.health();
  assert.match(
    health.stdout,
    /1 application\(s\) on \S+, 1 service\(s\); the registry answers, 2 of 2 registered/,
  );
  assert.equal(await first.end('TERM'), 0);
  assert.deepEqual([...(await keys('/apps/')), ...(await keys('/services/'))], []);
});
