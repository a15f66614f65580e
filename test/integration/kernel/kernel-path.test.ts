/** The kernel path on the running kernel: the hosts are network namespaces on one bridge, every connection is a real one. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { endpoint, endpointKey } from '../../../src/core/endpoint.ts';
import type { KernelCounters } from '../../../src/kernel/kernel-path.ts';
import type { RoutePath } from '../../../src/kernel/route-path.ts';
import type { Dialled } from '../namespaces/sockets.ts';
import { Bed, type HostPuppet, hosts } from './bed.ts';
import type { BackendWish } from './puppet.ts';

const [own4, own6] = hosts.ambassador;
const [one4, one6, two4, three4] = hosts.backend;
const port = 6379;
const one = endpoint(one4, port);
const two = endpoint(two4, port);

interface Hosts {
  readonly bed: Bed;
  readonly ambassador: HostPuppet;
  readonly a: HostPuppet;
  readonly b: HostPuppet;
  readonly backend: HostPuppet;
  /** Makes a host a caller with these routes (port -> backend's key). */
  call(host: 'caller-a' | 'caller-b', routes: Record<number, string>): Promise<void>;
  set(backend: BackendWish): Promise<void>;
  pathOf(id: string, port: number): Promise<RoutePath>;
}

/** The hosts; the ambassador's listener stands for its proxy, and each of the backend's addresses answers by its name. */
async function setUp(bed: Bed): Promise<Hosts> {
  const [ambassador, a, b, backend] = [
    bed.puppet('ambassador'),
    bed.puppet('caller-a'),
    bed.puppet('caller-b'),
    bed.puppet('backend'),
  ];
  await ambassador.ask({ do: 'listen', host: '::', port, name: 'proxy' });
  for (const [host, name] of [
    [one4, 'one'],
    [one6, 'one'],
    [two4, 'two'],
    [three4, 'three'],
  ] as const) {
    await backend.ask({ do: 'listen', host, port, name });
  }
  const callers = { 'caller-a': a, 'caller-b': b };
  return {
    bed,
    ambassador,
    a,
    b,
    backend,
    call: (id, routes) =>
      ambassador.ask({ do: 'caller', caller: { id, pid: callers[id].pid, addresses: hosts[id], routes } }),
    set: (wish) => ambassador.ask({ do: 'backend', backend: wish }),
    pathOf: (id, asked) => ambassador.ask({ do: 'path', id, port: asked }),
  };
}

async function started(bed: Bed): Promise<Hosts> {
  const all = await setUp(bed);
  await all.ambassador.ask({ do: 'begin', addresses: [own4, own6] });
  return all;
}

function counted(texts: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const text of texts) counts[text.split(' ')[0] ?? ''] = (counts[text.split(' ')[0] ?? ''] ?? 0) + 1;
  return counts;
}

describe('the kernel path', () => {
  it('leads the named caller, at the named port, to its own backend, and the backend sees the caller', async () => {
    await using bed = new Bed();
    const { a, b, ambassador, set, call, pathOf } = await started(bed);
    await set({ key: 'first', endpoints: [one] });
    await set({ key: 'second', endpoints: [two] });
    await call('caller-a', { [port]: 'first', 7000: 'second' });
    assert.deepEqual(await pathOf('caller-a', port), { kind: 'kernel' });
    assert.deepEqual(await a.dial(own4, port), [`one for ${hosts['caller-a'][0]}`]);
    assert.deepEqual(await a.dial(own4, 7000), [`two for ${hosts['caller-a'][0]}`]);
    assert.deepEqual(await a.dial(own4, 7001), ['ECONNREFUSED']);
    assert.deepEqual(await b.dial(own4, port), [`proxy for ::ffff:${hosts['caller-b'][0]}`]);
    assert.deepEqual(await ambassador.dial(own4, port), [`proxy for ::ffff:${own4}`]);
    assert.deepEqual(await a.dial(two4, port), [`two for ${hosts['caller-a'][0]}`], 'another address');

    await call('caller-b', { [port]: 'second' });
    assert.deepEqual(await b.dial(own4, port), [`two for ${hosts['caller-b'][0]}`]);
    assert.deepEqual(await a.dial(own4, port), [`one for ${hosts['caller-a'][0]}`]);
  });

  it('is there on localhost too, where the caller does not listen itself', async () => {
    await using bed = new Bed();
    const { a, b, set, call } = await started(bed);
    await set({ key: 'both', endpoints: [one, endpoint(one6, port, { name: one4 })] });
    await call('caller-a', { [port]: 'both' });
    for (const host of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
      assert.deepEqual(counted(await a.dial(host, port)), { one: 1 }, host);
    }
    assert.deepEqual(await b.dial('127.0.0.1', port), ['ECONNREFUSED']);
    assert.deepEqual(await a.dial('127.0.0.2', port), ['ECONNREFUSED']);

    await a.ask({ do: 'listen', host: '127.0.0.1', port, name: 'itself' });
    assert.deepEqual(counted(await a.dial('127.0.0.1', port)), { itself: 1 });
    assert.deepEqual(counted(await a.dial('::1', port)), { one: 1 }, 'nobody listens there');
    await a.ask({ do: 'close' });
    await a.ask({ do: 'listen', host: '::', port, name: 'itself' });
    assert.deepEqual(counted(await a.dial('127.0.0.1', port)), { itself: 1 });
    assert.deepEqual(counted(await a.dial('::1', port)), { itself: 1 });
    assert.deepEqual(counted(await a.dial(own4, port)), { one: 1 }, 'the ambassador is not the caller');
  });

  it('shows the application what it dialled', async () => {
    await using bed = new Bed();
    const { a, set, call } = await started(bed);
    await set({ key: 'both', endpoints: [one, endpoint(one6, port, { name: one4 })] });
    await call('caller-a', { 7000: 'both' });
    for (const [host, peer] of [
      [own4, `${own4} 7000`],
      [own6, `${own6} 7000`],
      [`::ffff:${own4}`, `::ffff:${own4} 7000`],
      ['127.0.0.1', '127.0.0.1 7000'],
      ['::1', '::1 7000'],
    ] as const) {
      const [dialled] = await a.ask<Dialled[]>({ do: 'dial', host, port: 7000 });
      assert.equal(dialled?.text.split(' ')[0], 'one', host);
      assert.equal(dialled?.peer, peer);
    }
    const [direct] = await a.ask<Dialled[]>({ do: 'dial', host: one4, port });
    assert.equal(direct?.peer, `${one4} ${port}`);
  });

  it('serves IPv6 by IPv6 and IPv4 by IPv4, and leaves a family that the backend lacks to the proxy', async () => {
    await using bed = new Bed();
    const { a, set, call } = await started(bed);
    await set({ key: 'four', endpoints: [one] });
    await set({ key: 'six', endpoints: [endpoint(one6, port)] });
    await call('caller-a', { [port]: 'four', 7000: 'six' });
    assert.deepEqual(await a.dial(own6, 7000), [`one for ${hosts['caller-a'][1]}`]);
    assert.deepEqual(await a.dial(`::ffff:${own4}`, port), [`one for ${hosts['caller-a'][0]}`]);
    assert.deepEqual(await a.dial(own6, port), [`proxy for ${hosts['caller-a'][1]}`]);
    assert.deepEqual(await a.dial(own4, 7000), ['ECONNREFUSED'], 'the proxy, which stands at one port here');
  });

  it('takes turns by weight, or draws lots', async () => {
    await using bed = new Bed();
    const { a, ambassador, set, call } = await started(bed);
    const weighted = [endpoint(one4, port, { weight: 3 }), two, endpoint(three4, port, { weight: 0 })];
    await set({ key: 'turns', endpoints: weighted });
    await set({ key: 'lots', endpoints: weighted, options: { balance: 'random' } });
    await set({ key: 'first', endpoints: [two, one], options: { balance: 'first' } });
    await set({ key: 'tiers', endpoints: [one, endpoint(two4, port, { priority: 1 })] });
    await call('caller-a', { [port]: 'turns', 7000: 'lots', 7001: 'first', 7002: 'tiers' });
    assert.deepEqual(counted(await a.dial(own4, port, 40)), { one: 30, two: 10 });
    assert.deepEqual(counted(await a.dial(own4, 7001, 5)), { two: 5 });
    assert.deepEqual(counted(await a.dial(own4, 7002, 5)), { one: 5 });
    const lots = counted(await a.dial(own4, 7000, 200));
    // Of 200 with a chance of 3 in 4: 150, and beyond 100 or 190 once in more than a million millions.
    assert.ok((lots.one ?? 0) > 100 && (lots.one ?? 0) < 190, JSON.stringify(lots));
    assert.equal((lots.one ?? 0) + (lots.two ?? 0), 200);

    const { routes, connects } = await ambassador.ask<KernelCounters>({ do: 'counters' });
    assert.equal(routes, 4);
    const row = (backendKey: string, to: string) =>
      connects.find(
        (entry) => entry.backendKey === backendKey && entry.endpoint === endpointKey(endpoint(to, port)),
      )?.connects;
    assert.deepEqual([row('turns', one4), row('turns', two4), row('turns', three4)], [30, 10, 0]);
    assert.deepEqual([row('lots', one4), row('lots', two4)], [lots.one, lots.two]);
  });

  it('follows every change: endpoints, their health, routes, callers', async () => {
    await using bed = new Bed();
    const { a, ambassador, set, call, pathOf } = await started(bed);
    await set({ key: 'set', endpoints: [one, two] });
    await call('caller-a', { [port]: 'set' });
    assert.deepEqual(counted(await a.dial(own4, port, 4)), { one: 2, two: 2 });
    await set({ key: 'set', endpoints: [one, two], down: [endpointKey(one)] });
    assert.deepEqual(counted(await a.dial(own4, port, 4)), { two: 4 });
    await set({ key: 'set', endpoints: [one, two], down: [endpointKey(one), endpointKey(two)] });
    assert.deepEqual(counted(await a.dial(own4, port, 2)), { proxy: 2 });
    await set({ key: 'set', endpoints: [one, two] });
    assert.deepEqual(counted(await a.dial(own4, port, 4)), { one: 2, two: 2 });
    await set({ key: 'set', endpoints: [endpoint(three4, port)] });
    assert.deepEqual(counted(await a.dial(own4, port, 2)), { three: 2 });
    await set({ key: 'set', endpoints: [] });
    assert.deepEqual(counted(await a.dial(own4, port, 1)), { proxy: 1 });
    await set({ key: 'set', endpoints: [one], options: { balance: 'leastconn' } });
    assert.deepEqual(await pathOf('caller-a', port), {
      kind: 'proxy',
      reason: 'leastconn',
      isPassing: false,
    });
    assert.deepEqual(counted(await a.dial(own4, port, 1)), { proxy: 1 });
    await set({ key: 'set', endpoints: [one] });
    assert.deepEqual(counted(await a.dial(own4, port, 1)), { one: 1 });
    const { connects } = await ambassador.ask<KernelCounters>({ do: 'counters' });
    assert.deepEqual(
      connects.map(({ endpoint: to, connects: times }) => [to, times]),
      [[endpointKey(one), 1]],
      'what a backend has lost is not counted any more',
    );

    await call('caller-a', { 7000: 'set' });
    assert.deepEqual(counted(await a.dial(own4, port, 1)), { proxy: 1 });
    assert.deepEqual(counted(await a.dial(own4, 7000, 1)), { one: 1 });
    await ambassador.ask({ do: 'caller-gone', id: 'caller-a' });
    assert.deepEqual(counted(await a.dial(own4, 7000, 1)), { ECONNREFUSED: 1 });
  });

  it('leads nobody astray while everything changes', async () => {
    await using bed = new Bed();
    const { ambassador, a, b, set, call } = await started(bed);
    await set({ key: 'first', endpoints: [one, two] });
    await set({ key: 'second', endpoints: [endpoint(three4, port)] });
    await call('caller-a', { [port]: 'first' });
    await call('caller-b', { [port]: 'second' });
    const changing = ambassador.ask<number[]>({
      do: 'time',
      backend: { key: 'first', endpoints: [one, two] },
      times: 4000,
    });
    const [reached, ofOther] = await Promise.all([a.dial(own4, port, 400), b.dial(own4, port, 400)]);
    await changing;
    const { one: ones = 0, two: twos = 0 } = counted(reached);
    assert.equal(ones + twos, 400, JSON.stringify(counted(reached)));
    assert.ok(ones > 0 && twos > 0);
    assert.deepEqual(counted(ofOther), { three: 400 });
  });

  it('leaves to the proxy what the caller itself cannot reach', async () => {
    await using bed = new Bed();
    const { a, set, call, pathOf } = await started(bed);
    bed.ipIn('caller-a', ['route', 'add', 'prohibit', `${one4}/32`]);
    await set({ key: 'set', endpoints: [one, two] });
    await call('caller-a', { [port]: 'set' });
    const reason = `${one4}:${port} cannot be reached by the caller itself: EACCES`;
    assert.deepEqual(await pathOf('caller-a', port), { kind: 'proxy', reason, isPassing: false });
    assert.deepEqual(counted(await a.dial(own4, port, 3)), { proxy: 3 });
    await call('caller-b', { [port]: 'set' });
    assert.deepEqual(await pathOf('caller-b', port), { kind: 'kernel' });
  });

  it('believes a process only where it has the address of its container', async () => {
    await using bed = new Bed();
    const { ambassador, a, b, set, pathOf } = await started(bed);
    await set({ key: 'set', endpoints: [one] });
    const callers = { right: a.pid, wrong: b.pid, own: ambassador.pid, none: 4_194_304 };
    for (const [id, pid] of Object.entries(callers)) {
      const addresses = hosts['caller-a'];
      await ambassador.ask({ do: 'caller', caller: { id, pid, addresses, routes: { [port]: 'set' } } });
    }
    const reasons = [];
    for (const id of Object.keys(callers)) {
      const path = await pathOf(id, port);
      reasons.push(path.kind === 'proxy' ? path.reason : path.kind);
    }
    assert.deepEqual(reasons, [
      'kernel',
      `process ${b.pid} does not have its address: ${hosts['caller-a'].join(', ')}`,
      "its network namespace is the ambassador's own",
      "the containers' processes cannot be seen from here (--pid=host)",
    ]);
    assert.deepEqual(counted(await b.dial(own4, port)), { proxy: 1 });
  });

  it('leaves the ambassador’s own ports and UDP alone', async () => {
    await using bed = new Bed();
    const { ambassador, a, set, call, pathOf } = await setUp(bed);
    await ambassador.ask({ do: 'begin', addresses: [own4], exceptPorts: [10_001] });
    await set({ key: 'set', endpoints: [one] });
    await call('caller-a', { [port]: 'set', 10001: 'set' });
    assert.deepEqual(await pathOf('caller-a', 10_001), {
      kind: 'proxy',
      reason: 'the rules leave the port out',
      isPassing: false,
    });
    assert.deepEqual(counted(await a.dial(own4, port)), { one: 1 });
    assert.deepEqual(counted(await a.dial(own6, port)), { proxy: 1 }, 'not one of the addresses');
    assert.deepEqual(counted(await a.dial(own4, 10_001)), { ECONNREFUSED: 1 });
    assert.equal(await a.ask({ do: 'udp', host: own4, port }), `${own4} ${port}`);
  });

  it('has the endpoints checked for as long as it leads there', async () => {
    await using bed = new Bed();
    const { ambassador, set, call } = await started(bed);
    await set({ key: 'set', endpoints: [one, two] });
    await set({ key: 'other', endpoints: [one], options: { sendProxy: 'v1' } });
    assert.deepEqual(await ambassador.ask({ do: 'checks' }), []);
    await call('caller-a', { [port]: 'set', 7000: 'other' });
    assert.deepEqual(await ambassador.ask({ do: 'checks' }), [`kernel set: ${one4} ${two4} every 1000`]);
    await set({ key: 'set', endpoints: [one] });
    assert.deepEqual(await ambassador.ask({ do: 'checks' }), [`kernel set: ${one4} every 1000`]);
    await ambassador.ask({ do: 'caller-gone', id: 'caller-a' });
    assert.deepEqual(await ambassador.ask({ do: 'checks' }), ['kernel set: none every 1000']);
  });

  it('ends with its process, however that ends', async () => {
    await using bed = new Bed();
    const { ambassador, a, set, call } = await started(bed);
    await set({ key: 'set', endpoints: [one] });
    await call('caller-a', { [port]: 'set' });
    assert.deepEqual(counted(await a.dial(own4, port)), { one: 1 });
    await ambassador.kill();
    assert.deepEqual(await a.dial(own4, port), ['ECONNREFUSED'], 'the proxy died with it');
    const successor = bed.puppet('ambassador');
    await successor.ask({ do: 'listen', host: '::', port, name: 'successor' });
    assert.deepEqual(counted(await a.dial(own4, port)), { successor: 1 });
  });

  it('leaves nothing behind when it stops', async () => {
    await using bed = new Bed();
    const all = await setUp(bed);
    const before = await all.ambassador.ask({ do: 'descriptors' });
    await all.ambassador.ask({ do: 'begin', addresses: [own4] });
    await all.set({ key: 'set', endpoints: [one] });
    await all.call('caller-a', { [port]: 'set' });
    await all.call('caller-b', { [port]: 'set' });
    await all.ambassador.ask({ do: 'stop' });
    assert.equal(await all.ambassador.ask({ do: 'descriptors' }), before);
    assert.deepEqual(counted(await all.a.dial(own4, port)), { proxy: 1 });
    await all.ambassador.ask({ do: 'stop' });
  });
});

describe('where something is missing', () => {
  it('says so in one line without CAP_SYS_ADMIN, and the proxy serves', async () => {
    await using bed = new Bed();
    const ambassador = bed.puppet('ambassador', ['sys_admin']);
    const before = await ambassador.ask({ do: 'descriptors' });
    const { value, log } = await ambassador.tell({ do: 'begin', addresses: [own4], mode: 'auto' });
    assert.equal(value, false);
    assert.deepEqual(log, [
      'info: kernel path off: network namespaces may not be entered (--cap-add SYS_ADMIN); the proxy serves every route',
    ]);
    assert.equal(await ambassador.ask({ do: 'descriptors' }), before);
    const { error } = await ambassador.tell({ do: 'begin', addresses: [own4], mode: 'require' });
    assert.equal(error?.code, 'ERR_CANNOT_START');
    assert.match(error?.message ?? '', /^--kernel=require, but network namespaces may not be entered/);
  });

  it('says which callers it may not look into without CAP_SYS_PTRACE', async () => {
    await using bed = new Bed();
    const ambassador = bed.puppet('ambassador', ['sys_ptrace']);
    const nobody = bed.puppetAs('caller-a', 65_534);
    await nobody.ask({ do: 'listen', host: '127.0.0.1', port: 1024, name: 'nobody' });
    await ambassador.ask({ do: 'begin', addresses: [own4] });
    await ambassador.ask({ do: 'backend', backend: { key: 'set', endpoints: [one] } });
    const caller = { id: 'nobody', pid: nobody.pid, addresses: hosts['caller-a'], routes: { [port]: 'set' } };
    await ambassador.ask({ do: 'caller', caller });
    assert.deepEqual(await ambassador.ask({ do: 'path', id: 'nobody', port }), {
      kind: 'proxy',
      reason: 'its network namespace may not be looked into (--cap-add SYS_PTRACE)',
      isPassing: false,
    });
  });

  it('is not tried where it is off', async () => {
    await using bed = new Bed();
    const ambassador = bed.puppet('ambassador', ['sys_admin']);
    const { value, log } = await ambassador.tell({ do: 'begin', addresses: [own4], mode: 'off' });
    assert.deepEqual([value, log], [false, []]);
  });
});
