/** embassy's README, command by command: the image's name is changed and nothing else. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Ambassador, type AmbassadorOptions } from './ambassador.ts';
import { caller, nameOfRedis, page, redis, web } from './containers.ts';
import { Engine } from './engine.ts';
import { ambassadorImage, copyImages, testImage } from './images.ts';
import { runnable } from './privileged.ts';
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

/** The flags of `docker run` as they can be used on this machine. */
const privileged = () => runnable(['--privileged=true'], () => {});

async function start(options: AmbassadorOptions): Promise<Ambassador> {
  const flags = [...(await privileged()), ...(options.flags ?? [])];
  return Ambassador.start(engine, { name: 'embassy', netAdmin: false, ...options, flags });
}

async function ipOf(container: string): Promise<string> {
  return (await engine.docker.addresses(container)).ipv4;
}

/** A web server behind a published port of the host, and that port, as a registrar would find it. */
async function published(name: string): Promise<string> {
  const { docker } = engine;
  await web(docker, name, { flags: ['--expose', '80', '--publish-all'] });
  return (await docker.cli(['port', name, '80/tcp'])).split('\n')[0]?.split(':').at(-1) ?? '';
}

/** Registers as registrator does for a container with `-e SERVICE_80_NAME=…`; takes it away at the end of the test. */
async function inConsul(service: string, address: string, port: number | string): Promise<void> {
  await registries.consul('services', 'register', `-name=${service}`, `-address=${address}`, `-port=${port}`);
}

/** The document that service-registrar leaves in etcd, as embassy's README shows it. */
async function inEtcd(
  key: string,
  ip: string,
  port: number | string,
  tags: readonly string[] = [],
): Promise<void> {
  const document = {
    id: '13532987eae2831eb7d41f38172cb82db668b3c72d10f513551026b2525e634f',
    host: 'fury',
    ipaddress: ip,
    env: { ENVIRONMENT: 'prod', NAME: 'apache', PATH: '/usr/local/sbin:/usr/local/bin' },
    tags,
    name: '/trusting_shockley',
    image: 'eboraas/apache',
    hostname: '13532987eae2',
    host_port: `${port}`,
    proto: 'tcp',
    port: '80',
    path: key,
  };
  await registries.etcd('put', key, JSON.stringify(document));
}

/** Whom requests of the caller's reach in the end. */
function gets(name: string, from: string, url: string): Promise<true> {
  const look = async () => (await page(engine.docker, from, url)) === name || undefined;
  return until(`${from} to get ${name} from ${url}`, look);
}

test('on the docker host itself: --net=host, PROXY_IP, --dnat -provider=docker -v=3 -interface=eth0 -discovery=consul://…', async () => {
  const { docker } = engine;
  const { host } = registries;
  await inConsul('frontend_http', host, await published('apache'));
  await caller(docker, 'early', { env: { BACKEND_FRONTEND: 'frontend_http;80' } });
  const before = await engine.onHost(['nft', '--stateless', 'list', 'ruleset']);
  const embassy = await start({
    network: 'host',
    env: { PROXY_IP: host, PROXY_PORT: '9999' },
    args: [...['--dnat', '-provider=docker', '-v=3', '-interface=eth0'], `-discovery=consul://${host}:8500`],
  });
  await embassy.line(/^listening on \[::\]:9999/);
  await embassy.line(/^--interface has no effect: /);
  await caller(docker, 'late', { env: { BACKEND_APACHE_80: 'frontend_http;80' } });
  for (const from of ['early', 'late']) {
    assert.equal(await page(docker, from, `http://${host}/`), 'apache', from);
  }
  await registries.consul('services', 'deregister', '-id=frontend_http');
  assert.equal(await embassy.end(), 0);
  assert.equal(await engine.onHost(['nft', '--stateless', 'list', 'ruleset']), before);
});

test("inside a container: -provider=static -services='frontend_http;80,mysql;3306,redis;6563' behind the user's own rule", async () => {
  const { docker } = engine;
  const { host } = registries;
  await web(docker, 'apache');
  await redis(docker, 'redis-1');
  await inConsul('frontend_http', await ipOf('apache'), 80);
  await inConsul('redis', await ipOf('redis-1'), 6379);
  await caller(docker, 'app');
  // No address of anybody's: the rule is all that leads there.
  const proxyIp = '172.17.42.1';
  const rule = `iptables -t nat -I OUTPUT -p tcp -d ${proxyIp} -j REDIRECT --to-ports 9999`;
  await engine.inNetworkOf('app', ...rule.split(' '));
  await Ambassador.start(engine, {
    name: 'embassy',
    network: 'container:app',
    socket: false,
    netAdmin: false,
    args: [
      `-discovery=consul://${host}:8500`,
      '-provider=static',
      '-services=frontend_http;80,mysql;3306,redis;6563',
    ],
  });
  assert.equal(await page(docker, 'app', `http://${proxyIp}/`), 'apache');
  assert.equal(await nameOfRedis(docker, 'app', { host: proxyIp, port: 6563 }), 'redis-1');
  assert.match(await nameOfRedis(docker, 'app', { host: proxyIp, port: 3306 }), /reset/);
  for (const id of ['frontend_http', 'redis']) await registries.consul('services', 'deregister', `-id=${id}`);
});

test('as a container with links: --redirect, and --link embassy:proxy', async () => {
  const { docker } = engine;
  const { host } = registries;
  await web(docker, 'apache');
  await inConsul('frontend_http', await ipOf('apache'), 80);
  await start({
    env: { PROXY_IP: '172.17.42.1', PROXY_PORT: '9999' },
    args: [
      ...['--redirect', '-provider=docker', '-v=3', '-interface=eth0'],
      `-discovery=consul://${host}:8500`,
    ],
  });
  await caller(docker, 'caller', {
    links: ['embassy:proxy'],
    env: { BACKEND_FRONTEND: 'frontend_http;80' },
  });
  assert.equal(await page(docker, 'caller', 'http://proxy/'), 'apache');
  await registries.consul('services', 'deregister', '-id=frontend_http');
});

test('the image alone with DISCOVERY=etcd://…: dnat, endpoints followed as they change and go, ports of different callers', async () => {
  const { docker } = engine;
  const { host } = registries;
  const url = `http://${host}/`;
  const ports = { 'app1-a': await published('app1-a'), 'app1-b': await published('app1-b') };
  const one = `/services/prod/app1/80/${ports['app1-a']}/e6d41829bd76`;
  const two = `/services/prod/app1/80/${ports['app1-b']}/9fb514731beb`;
  await inEtcd(one, host, ports['app1-a']);
  await redis(docker, 'master');
  await inEtcd('/services/prod/db/master/3306/1/6b06da408f97', await ipOf('master'), 6379);
  const embassy = await start({
    network: 'host',
    env: { INTERFACE: 'eth0', DISCOVERY: `etcd://${host}:4001` },
    args: [],
  });
  await embassy.line(/^INTERFACE in the environment has no effect: /);
  await caller(docker, 'app', {
    env: {
      BACKEND_APP1: '/services/prod/app1/80;80',
      BACKEND_DB_MASTER: '/services/prod/db/master/3306;3306',
    },
  });
  assert.equal(await page(docker, 'app', url), 'app1-a');
  assert.equal(await nameOfRedis(docker, 'app', { host, port: 3306 }), 'master');

  // The same port of another caller leads elsewhere.
  await web(docker, 'app2');
  await inEtcd('/services/prod/app2/80/1/6b06da408f97', await ipOf('app2'), 80);
  await caller(docker, 'other', { env: { BACKEND_APP2: '/services/prod/app2/80;80' } });
  assert.equal(await page(docker, 'other', url), 'app2');

  await inEtcd(two, host, ports['app1-b']);
  await gets('app1-b', 'app', url);
  await registries.etcd('del', two);
  await gets('app1-a', 'app', url);
  await inEtcd(one, host, ports['app1-b']);
  await gets('app1-b', 'app', url);
  await registries.etcd('del', one);
  await until('no endpoint to be left', async () =>
    (await page(docker, 'app', url)).includes('app1') ? undefined : true,
  );
  assert.equal(await page(docker, 'other', url), 'app2');
});

test("tags: /services/prod/app1/80[prod,app1];80 leads to whoever has them all, behind the user's own DNAT or REDIRECT rule", async () => {
  const { docker } = engine;
  const { host } = registries;
  for (const name of ['right', 'half']) await web(docker, name);
  await inEtcd('/services/prod/app1/80/1/a', await ipOf('right'), 80, ['app1', 'prod', 'more']);
  await inEtcd('/services/prod/app1/80/2/b', await ipOf('half'), 80, ['prod']);
  await Ambassador.start(engine, {
    name: 'embassy',
    network: 'host',
    netAdmin: false,
    args: ['-interface', 'docker0', '-discovery', `etcd://${host}:4001`, '-v=0', '-p=3232'],
  });
  const env = { BACKEND_APP1: '/services/prod/app1/80[prod,app1];80' };
  await caller(docker, 'caller', { env });
  for (const jump of [`DNAT --to-destination ${host}:3232`, 'REDIRECT --to-ports 3232']) {
    const rule = `iptables -t nat -I PREROUTING -p tcp -d ${host} -j ${jump}`;
    await engine.onHost(rule.split(' '));
    for (let call = 0; call < 3; call++) {
      assert.equal(await page(docker, 'caller', `http://${host}/`), 'right', jump);
    }
    await engine.onHost(rule.replace('-I', '-D').split(' '));
  }
  assert.notEqual(await page(docker, 'caller', `http://${host}/`), 'right');
});

test('IPTABLES_TRACK_MAX_CONNECTIONS and IPTABLES_TRACK_TIMEOUT: the kernel has the value, or the log says why not', async () => {
  const { host } = registries;
  const wanted = { nf_conntrack_max: '54321', nf_conntrack_tcp_timeout_time_wait: '45' };
  const embassy = await start({
    network: 'host',
    env: {
      IPTABLES_TRACK_MAX_CONNECTIONS: wanted.nf_conntrack_max,
      IPTABLES_TRACK_TIMEOUT: wanted.nf_conntrack_tcp_timeout_time_wait,
    },
    // What --privileged does for /proc/sys, also where this machine cannot give the rest of it.
    flags: ['--security-opt', 'systempaths=unconfined'],
    args: ['--dnat', '-provider=docker', `-discovery=etcd://${host}:4001`],
  });
  const lines = await embassy.lines();
  for (const [name, value] of Object.entries(wanted)) {
    const is = await engine.onHost(['cat', `/proc/sys/net/netfilter/${name}`]);
    const told = lines.filter(({ message }) => message.startsWith(`net.netfilter.${name} `));
    assert.equal(told.length, 1, name);
    const expected = is === value ? ` = ${value}` : ' stays as it is (';
    assert.ok(told[0]?.message.startsWith(`net.netfilter.${name}${expected}`), told[0]?.message);
  }
  // This one belongs to the network namespace, so that it can be set here.
  const timeWait = 'net.netfilter.nf_conntrack_tcp_timeout_time_wait';
  assert.ok(lines.some(({ message }) => message === `${timeWait} = 45`));
});
