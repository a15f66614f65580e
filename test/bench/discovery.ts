/**
 * The discovery benchmark: how soon a change in a registry is what the next connection uses, and what a thousand watched
 * backends cost. Real etcd, real Consul, the built program as a process of its own; Docker's API by a stand-in.
 *
 *     scripts/bench discovery [--quick]
 *
 * Prints a table and writes docs/benchmarks/discovery.json.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { cpus } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Etcd3 } from 'etcd3';
import { ConsulAgent } from '../integration/discovery/consul-agent.ts';
import { EtcdServer } from '../integration/discovery/etcd-server.ts';
import { FakeEngine, idOf } from '../unit/docker/fake-engine.ts';

const isQuick = process.argv.includes('--quick');
const changes = isQuick ? 20 : 200;
const watched = 1000;
const idleMs = isQuick ? 3000 : 15_000;
/** What src/discovery/settled.ts waits for, ms: it is part of the promise, not of the delay. */
const settleMs = 100;
const changeTimeoutMs = 5000;

/** A server that greets each connection with one letter. */
async function greeter(letter: string): Promise<{ server: Server; endpoint: string }> {
  const server = createServer((socket) => socket.on('error', () => {}).end(letter)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, endpoint: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** The program, until the block ends. */
class Nuncio implements AsyncDisposable {
  readonly child: ChildProcess;

  constructor(args: readonly string[]) {
    const main = new URL('../../dist/main.js', import.meta.url).pathname;
    this.child = spawn(main, [...args, '--log-level', 'error', '--drain', '0s'], {
      stdio: 'inherit',
      // By its first line, as the image and npx run it, on the Node that runs this.
      env: { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` },
    });
  }

  /** kB of resident memory, and clock ticks of 10 ms that it has run. */
  async usage(): Promise<{ residentMb: number; cpuMs: number }> {
    const status = await readFile(`/proc/${this.child.pid}/status`, 'utf8');
    const stat = await readFile(`/proc/${this.child.pid}/stat`, 'utf8');
    // proc_pid_stat(5): utime and stime are fields 14 and 15; the name in field 2 may hold spaces.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const residentKb = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]);
    return { residentMb: residentKb / 1024, cpuMs: 10 * (Number(fields[11]) + Number(fields[12])) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null) return;
    this.child.kill('SIGTERM');
    await once(this.child, 'exit');
  }
}

/** What a new connection is greeted with; undefined where it is refused or reset. */
function greeting(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let text = '';
    socket.setTimeout(1000, () => socket.destroy());
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(text === '' ? undefined : text));
  });
}

/** Connects again and again until a letter answers. @returns ms since `begun` */
async function until(port: number, letter: string, begun: number, limitMs: number): Promise<number> {
  for (;;) {
    if ((await greeting(port)) === letter) return performance.now() - begun;
    if (performance.now() - begun > limitMs)
      throw new Error(`no connection reached ${letter} within ${limitMs} ms`);
    await delay(1);
  }
}

interface Delays {
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Writes one of two endpoints in turn; the delays after the settle time until a new connection goes there. */
async function changeDelays(
  descriptor: string,
  write: (value: string) => PromiseLike<unknown>,
): Promise<Delays> {
  const [a, b] = [await greeter('a'), await greeter('b')];
  const port = await freePort();
  await write(a.endpoint);
  await using _ = new Nuncio([descriptor, '--port', String(port)]);
  await until(port, 'a', performance.now(), 20_000);
  const delays: number[] = [];
  for (let change = 0; change < changes; change++) {
    const [letter, { endpoint }] = change % 2 === 0 ? (['b', b] as const) : (['a', a] as const);
    await write(endpoint);
    delays.push((await until(port, letter, performance.now(), changeTimeoutMs)) - settleMs);
    // Off the beat of the settle time, and of everything else that is periodic.
    await delay(10 + ((change * 37) % 50));
  }
  a.server.close();
  b.server.close();
  delays.sort((x, y) => x - y);
  const at = (part: number) =>
    round(delays[Math.min(delays.length - 1, Math.floor(part * delays.length))] ?? Number.NaN);
  return { medianMs: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

interface Cost {
  readonly residentMb: number;
  readonly cpuPercent: number;
  readonly etcdConnections: number;
  readonly etcdWatchers: number;
}

/** An ambassador for one caller with many ports, idle. */
async function costOf(etcd: EtcdServer, descriptorOf: (index: number) => string): Promise<Cost> {
  const engine = await FakeEngine.listen();
  const env = Array.from({ length: watched }, (_, index) => `BACKEND_${index + 1}=${descriptorOf(index)}`);
  engine.run({ id: idOf(1), name: 'caller', env, ip: '10.0.0.1' });
  await untilWatchers(etcd, (count) => count === 0);
  const port = await freePort();
  await using nuncio = new Nuncio([
    '--omnimode',
    '--rules',
    'off',
    '--docker',
    engine.host,
    '--port',
    String(port),
  ]);
  const expected = new Set(Array.from({ length: watched }, (_, index) => descriptorOf(index))).size;
  await untilWatchers(etcd, (count) => count >= expected);
  await delay(2000);
  const before = await nuncio.usage();
  await delay(idleMs);
  const after = await nuncio.usage();
  const cost = {
    residentMb: round(after.residentMb),
    cpuPercent: Math.round(((after.cpuMs - before.cpuMs) / idleMs) * 10_000) / 100,
    etcdConnections: await connectionsOf(nuncio.child.pid ?? 0, etcd.port),
    etcdWatchers: await watchers(etcd),
  };
  await engine.close();
  return cost;
}

/** etcd's own count of the watchers that it holds. */
async function watchers(etcd: EtcdServer): Promise<number> {
  const metrics = await (await fetch(`http://127.0.0.1:${etcd.port}/metrics`)).text();
  return Number(/^etcd_debugging_mvcc_watcher_total (\d+)/m.exec(metrics)?.[1] ?? Number.NaN);
}

/** etcd notices the end of a client's watches only some time after it. */
async function untilWatchers(etcd: EtcdServer, isEnough: (count: number) => boolean): Promise<void> {
  for (let tries = 0; !isEnough(await watchers(etcd)); tries++) {
    if (tries > 300) throw new Error(`etcd still holds ${await watchers(etcd)} watchers after 30 s`);
    await delay(100);
  }
}

/** Established connections of a process to a port: the sockets among its descriptors that /proc/net has with that port. */
async function connectionsOf(pid: number, port: number): Promise<number> {
  const names = await readdir(`/proc/${pid}/fd`);
  const links = await Promise.all(names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => '')));
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`/proc/${pid}/net/${name}`, 'utf8')),
  );
  const rows = tables.flatMap((table) => table.split('\n').map((line) => line.trim().split(/\s+/)));
  // proc(5): remote address is column 3, state column 4 (01 established), inode column 10.
  return rows.filter(
    ([, , remote, state, , , , , , inode]) =>
      remote?.endsWith(`:${hex}`) && state === '01' && links.includes(`socket:[${inode}]`),
  ).length;
}

async function main(): Promise<void> {
  await using etcd = await EtcdServer.start();
  await using consul = await ConsulAgent.start();
  const client = new Etcd3({ hosts: `http://127.0.0.1:${etcd.port}` });
  const results = {
    date: new Date().toISOString(),
    machine: `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, Linux`,
    node: process.version,
    changes,
    etcd: await changeDelays(`etcd://127.0.0.1:${etcd.port}/bench/change`, (value) =>
      client.put('/bench/change').value(value).exec(),
    ),
    consul: await changeDelays(`consul://127.0.0.1:${consul.port}/bench/change`, (value) =>
      consul.put('bench/change', value),
    ),
    distinct: await costOf(etcd, (index) => `etcd://127.0.0.1:${etcd.port}/bench/many/${index}`),
    shared: await costOf(etcd, () => `etcd://127.0.0.1:${etcd.port}/bench/one`),
  };
  client.close();
  console.table({ 'etcd change': results.etcd, 'Consul change': results.consul });
  console.table({
    [`${watched} backends`]: results.distinct,
    [`${watched} routes, 1 backend`]: results.shared,
  });
  const file = new URL('../../docs/benchmarks/discovery.json', import.meta.url);
  await writeFile(file, `${JSON.stringify(results, undefined, 2)}\n`);
}

await main();
