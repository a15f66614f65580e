/**
 * The CoreOS tutorial "How To Use the Ambassador Pattern to Dynamically Configure Services": two machines, a real etcd, the
 * provider behind docker-register, the real HAProxy behind dynamic-etcd-amb. The command lines are those of its units, as
 * they stand: the images have the predecessors' names and are made of Nuncio's by an ENTRYPOINT. Added is only --detach,
 * because no systemd holds the commands in the foreground.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { cable } from './cable.ts';
import { Daemon } from './daemon.ts';
import { Engine } from './engine.ts';
import { ambassadorImage, copyImages, haproxyImage, testImage } from './images.ts';
import { until } from './until.ts';

/** One of the tutorial's machines, with its addresses in /etc/environment. */
interface Machine {
  readonly engine: Engine;
  /** COREOS_PRIVATE_IPV4 */
  readonly privateIp: string;
}

const publicIp = '10.131.0.106';
/** Where CoreOS has etcd, seen from every machine's containers. */
const etcdAddress = '172.17.42.1';
const key = '/services/apache-A/apache.service';

let folder: string;
let a: Machine;
let b: Machine;
const daemons: Daemon[] = [];

const onHost = (machine: Machine, line: string) => machine.engine.onHost(line.split(' '));

async function startDaemon(machine: Machine, name: string, argv: readonly string[]): Promise<void> {
  const args = [`--net=/run/netns/${machine.engine.namespace}`, ...argv];
  daemons.push(await Daemon.spawn(name, 'nsenter', args, join(folder, `${name}.log`)));
}

const etcdctl = (...args: readonly string[]) =>
  b.engine.onHost(['env', 'ETCDCTL_API=3', 'etcdctl', '--endpoints', `${etcdAddress}:4001`, ...args]);

/** A cable between the two machines, their addresses, and etcd at the same place on both. */
async function connectMachines(): Promise<void> {
  await cable({ engine: a.engine, ip: a.privateIp }, { engine: b.engine, ip: b.privateIp });
  for (const machine of [a, b]) {
    await onHost(machine, `ip address add ${etcdAddress}/32 dev docker0`);
  }
  await onHost(b, `ip address add ${publicIp}/32 dev eth1`);
  const peer = 'http://127.0.0.1:7001';
  await startDaemon(b, 'etcd', [
    ...['etcd', '--name=b', `--data-dir=${join(folder, 'etcd')}`],
    ...['--listen-client-urls=http://0.0.0.0:4001', `--advertise-client-urls=http://${b.privateIp}:4001`],
    ...[`--listen-peer-urls=${peer}`, `--initial-advertise-peer-urls=${peer}`, `--initial-cluster=b=${peer}`],
  ]);
  // On a CoreOS machine without a member of the cluster, etcd runs as a proxy.
  const listen = `--listen-addr=${etcdAddress}:4001`;
  await startDaemon(a, 'gateway', ['etcd', 'gateway', 'start', `--endpoints=${b.privateIp}:4001`, listen]);
  await until(
    'etcd to answer',
    async () => (await etcdctl('get', 'x').catch(() => undefined)) === '' || undefined,
  );
}

/** The predecessors' images, of Nuncio's. */
async function makeImages({ engine }: Machine): Promise<void> {
  await copyImages(engine, testImage, ambassadorImage, haproxyImage);
  for (const name of ['simple-amb', 'docker-register', 'dynamic-etcd-amb']) {
    const dockerfile = `FROM ${ambassadorImage}\nENTRYPOINT ["/usr/local/bin/${name}"]\n`;
    await engine.docker.cli(['build', '--tag', `polvi/${name}`, '-'], { input: dockerfile });
  }
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nce-tutorial-'));
  a = { engine: await Engine.start(), privateIp: '10.132.233.107' };
  b = { engine: await Engine.start(), privateIp: '10.132.233.106' };
  await connectMachines();
  await makeImages(a);
  await makeImages(b);
  const config = `
global
  maxconn 256
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend www-http
        bind :80
        default_backend www-backend

backend www-backend
        server apache ${b.privateIp}:80 check
`;
  await writeFile(join(folder, 'haproxy.cfg'), config);
});
after(async () => {
  for (const daemon of daemons) await daemon.stop('SIGKILL', 5000);
  await a?.engine.close();
  await b?.engine.close();
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

/** `docker …` on a machine, in one line as the units have it. */
function docker({ engine }: Machine, line: string, ...more: readonly string[]): Promise<string> {
  return engine.docker.cli([...line.replace('run ', 'run --detach ').split(' '), ...more]);
}

/** The units of machine A, wherever they run. @returns the container of apache-docker-reg.service, which has no name */
async function startProvider(machine: Machine): Promise<string> {
  const page = `echo "Running from Docker on ${machine.privateIp}" > /www/index.html; exec httpd -f -h /www -p 80`;
  await docker(
    machine,
    `run --rm --name apache.service -p ${machine.privateIp}::80 ${testImage}`,
    'sh',
    '-c',
    page,
  );
  await docker(machine, 'run --rm --name etcd-amb-apache.service polvi/simple-amb 172.17.42.1:4001');
  return docker(
    machine,
    `run --link etcd-amb-apache.service:etcd -v ${machine.engine.socketMount} --rm polvi/docker-register apache.service 80 apache-A`,
  );
}

/** Waits until etcd has the provider where it is published now. @returns where that is */
async function registered(machine: Machine): Promise<string> {
  const published = await docker(machine, 'port apache.service 80/tcp');
  const port = Number(published.split(':').at(-1));
  const document = `{"port":${port},"host":"${machine.privateIp}"}`;
  const look = async () => (await etcdctl('get', '--print-value-only', key)) === document || undefined;
  await until(`${key} to be ${document}`, look, { withinMs: 60_000 });
  return `${machine.privateIp}:${port}`;
}

/** The dynamic ambassador has heard of a change when it says so; without `--rm` its log could be read later, too. */
async function followed(place: string): Promise<void> {
  const look = async () =>
    (await b.engine.docker.logs('apache-dyn-amb.service')).includes(place) || undefined;
  await until(`the dynamic ambassador to know ${place}`, look);
}

/** What a browser gets at machine B's public address; never by the proxy that this process may have been given. */
const browse = () => onHost(b, `timeout 10 busybox wget -Y off -qO- http://${publicIp}/`);

test('the provider, the consumer, and the provider somewhere else', async () => {
  const register = await startProvider(a);
  await registered(a);
  await docker(b, 'run --rm --name etcd-amb-apache2.service polvi/simple-amb 172.17.42.1:4001');
  await docker(
    b,
    `run --link etcd-amb-apache2.service:etcd --rm --name apache-dyn-amb.service -p ${b.privateIp}:80:80 polvi/dynamic-etcd-amb apache-A 80`,
  );
  const config = `${join(folder, 'haproxy.cfg')}:/etc/haproxy/haproxy.cfg:ro`;
  await docker(
    b,
    `run --name haproxy.service -p ${publicIp}:80:80 -v ${config} ${haproxyImage} haproxy -f /etc/haproxy/haproxy.cfg`,
  );
  await followed(await registered(a));
  const first = await until('HAProxy to answer', () => browse().catch(() => undefined), {
    withinMs: 30_000,
    otherwise: async () => {
      const wget = await browse().catch((thrown: unknown) => String(thrown));
      const logs = ['haproxy.service', 'apache-dyn-amb.service'].map((name) => b.engine.docker.logs(name));
      return [wget, ...(await Promise.all(logs))].join('\n');
    },
  });
  assert.equal(first, `Running from Docker on ${a.privateIp}`);

  // Another port of the same machine.
  await docker(a, 'stop -t 3 apache.service');
  await until('the key to go', async () => (await etcdctl('get', key)) === '' || undefined);
  await docker(a, `run --rm --name takes-the-port -p ${a.privateIp}::80 ${testImage} sleep 1000000`);
  const page = `echo "Running again" > /www/index.html; exec httpd -f -h /www -p 80`;
  await docker(a, `run --rm --name apache.service -p ${a.privateIp}::80 ${testImage}`, 'sh', '-c', page);
  await followed(await registered(a));
  assert.equal(await browse(), 'Running again');

  // Another machine. The first one reboots: systemd stops its units.
  await docker(a, `stop -t 3 ${register}`);
  await docker(a, 'stop -t 3 etcd-amb-apache.service');
  await docker(a, 'stop -t 3 apache.service');
  assert.equal(await etcdctl('get', '--prefix', '/services'), '');
  await startProvider(b);
  await followed(await registered(b));
  assert.equal(await browse(), `Running from Docker on ${b.privateIp}`);
});
