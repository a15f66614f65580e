import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Endpoint, endpoint, endpointKey } from '../../../src/core/endpoint.ts';
import { AppError } from '../../../src/core/errors.ts';
import { Slots } from '../../../src/core/slots.ts';
import { CallerRoutes, isOfInterest } from '../../../src/kernel/caller-routes.ts';
import { enterCaller } from '../../../src/kernel/enter.ts';
import type { Proof } from '../../../src/kernel/plan.ts';
import { Proofs } from '../../../src/kernel/proofs.ts';
import type { RouteMaps } from '../../../src/kernel/route-maps.ts';
import type { RouteContents, RouteId } from '../../../src/kernel/slot.ts';
import type { BackendEntry, CallerEntry } from '../../../src/route/table.ts';
import type { NetworkNamespace } from '../../../src/sys/network-namespace.ts';

const one = endpoint('10.0.0.1', 80);
const two = endpoint('10.0.0.2', 80);

/** Maps as far as their writer sees them; `room` slots. */
class FakeMaps implements Pick<RouteMaps, 'install' | 'remove' | 'release' | 'connects'> {
  readonly routes = new Map<number, string>();
  readonly counts = new Map<number, number[]>();
  readonly released: number[] = [];
  writes = 0;
  room = 100;
  #next = 0;

  install({ port }: RouteId, { turns, endpoints }: RouteContents): number | undefined {
    if (this.room-- <= 0) return undefined;
    this.writes++;
    const list = (family: 4 | 6) => endpoints[family].map(({ ip }) => ip).join(' ');
    this.routes.set(port, `${turns}: ${list(4)} | ${list(6)}`);
    return this.#next++;
  }

  remove({ port }: RouteId): void {
    this.routes.delete(port);
  }

  release(index: number): void {
    this.released.push(index);
  }

  connects(index: number, count: number): readonly number[] {
    return this.counts.get(index) ?? new Array<number>(count).fill(0);
  }
}

function setUp() {
  const maps = new FakeMaps();
  const backends = new Map<string, BackendEntry>();
  const proofs = new Map<string, Proof>();
  const routes = new CallerRoutes({
    maps,
    backend: (key) => backends.get(key),
    surroundings: () => ({ addresses: new Set(), exceptPorts: new Set() }),
    proofOf: (candidate) => proofs.get(endpointKey(candidate)) ?? { kind: 'proved' },
    cookie: 1n,
  });
  const set = (key: string, endpoints: readonly Endpoint[], rest: Partial<BackendEntry> = {}) =>
    backends.set(key, { key, text: key, options: {}, isResolved: true, endpoints, ejected: [], ...rest });
  return { maps, proofs, routes, set };
}

function leading(ports: Record<number, string>): Pick<CallerEntry, 'routes'> {
  const targets = Object.entries(ports).map(
    ([port, backendKey]) => [Number(port), { kind: 'backend' as const, backendKey }] as const,
  );
  return { routes: new Map(targets) };
}

describe('CallerRoutes', () => {
  it('writes what has changed and nothing else', () => {
    const { maps, routes, set } = setUp();
    set('a', [one, two]);
    routes.sync(leading({ 80: 'a', 81: 'a' }));
    assert.deepEqual(
      [...maps.routes],
      [
        [80, 'in-turn: 10.0.0.1 10.0.0.2 | '],
        [81, 'in-turn: 10.0.0.1 10.0.0.2 | '],
      ],
    );
    routes.sync(leading({ 80: 'a', 81: 'a' }));
    assert.equal(maps.writes, 2);
    set('a', [one]);
    routes.sync(leading({ 80: 'a' }));
    assert.deepEqual([...maps.routes], [[80, 'in-turn: 10.0.0.1 | ']]);
    assert.deepEqual(maps.released, [0, 1]);
  });

  it('looks at nothing but the ports that it is told of, and says when an endpoint has gone', () => {
    const { maps, routes, set } = setUp();
    set('a', [one]);
    set('b', [two]);
    assert.equal(routes.sync(leading({ 80: 'a', 81: 'b' })), false);
    set('a', [one, two]);
    set('b', []);
    assert.equal(routes.sync(leading({ 80: 'a', 81: 'b' }), [80]), false);
    assert.deepEqual([...maps.routes.values()], ['in-turn: 10.0.0.1 10.0.0.2 | ', 'in-turn: 10.0.0.2 | ']);
    assert.equal(routes.sync(leading({ 80: 'a', 81: 'b' }), [81]), true);
    assert.deepEqual([...routes.endpointKeys], ['10.0.0.1:80', '10.0.0.2:80']);
    assert.deepEqual([...maps.routes.keys()], [80]);
  });

  it('takes a route away at once when it is the proxy’s', () => {
    const { maps, proofs, routes, set } = setUp();
    set('a', [one]);
    routes.sync(leading({ 80: 'a' }));
    proofs.set(endpointKey(one), { kind: 'failed', code: 'ETIMEDOUT' });
    routes.sync(leading({ 80: 'a' }));
    assert.equal(maps.routes.size, 0);
    const reason = '10.0.0.1:80 cannot be reached by the caller itself: ETIMEDOUT';
    assert.deepEqual(routes.paths.get(80), { kind: 'proxy', reason, isPassing: false });
    assert.deepEqual([...routes.endpointKeys], ['10.0.0.1:80'], 'to be tried again');
  });

  it('rather has no version in the kernel than one that is not true any more', () => {
    const { maps, routes, set } = setUp();
    set('a', [one]);
    routes.sync(leading({ 80: 'a' }));
    maps.room = 0;
    set('a', [two]);
    routes.sync(leading({ 80: 'a' }));
    assert.equal(maps.routes.size, 0);
    assert.equal(routes.isShort, true);
    maps.room = 1;
    routes.sync(leading({ 80: 'a' }));
    assert.equal(routes.isShort, false);
    assert.equal(maps.routes.get(80), 'in-turn: 10.0.0.2 | ');
  });

  it('keeps counting through the versions of a route', () => {
    const { maps, routes, set } = setUp();
    set('a', [one, two]);
    routes.sync(leading({ 80: 'a' }));
    maps.counts.set(0, [3, 4]);
    set('a', [two]);
    routes.sync(leading({ 80: 'a' }));
    maps.counts.set(1, [5]);
    assert.deepEqual(routes.connects(), [
      { port: 80, backendKey: 'a', endpoint: '10.0.0.2:80', connects: 9 },
    ]);
    routes.clear();
    assert.deepEqual(routes.connects(), []);
    assert.equal(maps.routes.size, 0);
  });

  it('is of no interest to a container whose routes all need the proxy', () => {
    const backends = new Map<string, BackendEntry>();
    const entry = {
      key: 'a',
      text: 'a',
      options: { sendProxy: 'v1' as const },
      isResolved: true,
      endpoints: [one],
      ejected: [],
    };
    backends.set('a', entry);
    const backend = (key: string) => backends.get(key);
    assert.equal(isOfInterest(leading({}), backend), false);
    assert.equal(isOfInterest(leading({ 80: 'a' }), backend), false);
    assert.equal(
      isOfInterest(
        { routes: new Map([[80, { kind: 'refused', code: 'ERR_NO_ROUTE', reason: '' }]]) },
        backend,
      ),
      false,
    );
    backends.set('a', { ...entry, options: {} } as BackendEntry);
    assert.equal(isOfInterest(leading({ 80: 'a' }), backend), true);
  });
});

describe('Proofs', () => {
  /** Connections that end as the test says. */
  function proofsOf() {
    const waiting: { ip: string; end: (code: string | undefined) => void }[] = [];
    let changes = 0;
    const proofs = new Proofs({
      connect: ({ ip }, signal) =>
        new Promise((end) => {
          waiting.push({ ip, end });
          signal.addEventListener('abort', () => end('ECANCELED'), { once: true });
        }),
      slots: new Slots(2),
      onChange: () => changes++,
    });
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    const end = async (code?: string) => {
      await turn();
      waiting.shift()?.end(code);
      await turn();
    };
    return { proofs, waiting, end, turn, changes: () => changes };
  }

  it('tries each once, a bounded number at a time, and tells', async () => {
    const { proofs, waiting, end, changes } = proofsOf();
    const three = endpoint('10.0.0.3', 80);
    for (const candidate of [one, two, three, one]) assert.equal(proofs.of(candidate).kind, 'pending');
    await end();
    assert.deepEqual(
      waiting.map(({ ip }) => ip),
      ['10.0.0.2', '10.0.0.3'],
    );
    await end('ECONNREFUSED');
    assert.deepEqual(
      [proofs.of(one), proofs.of(two)],
      [{ kind: 'proved' }, { kind: 'failed', code: 'ECONNREFUSED' }],
    );
    assert.equal(changes(), 2);
    proofs.stop();
  });

  it('tries again what is known, which stays until then, and tells only news', async () => {
    const { proofs, end, changes } = proofsOf();
    proofs.of(one);
    await end();
    proofs.again();
    assert.equal(proofs.of(one).kind, 'proved');
    await end();
    assert.equal(changes(), 1);
    proofs.again();
    await end('ETIMEDOUT');
    assert.deepEqual(proofs.of(one), { kind: 'failed', code: 'ETIMEDOUT' });
    assert.equal(changes(), 2);
  });

  it('forgets what nobody asks for, and what was under way for it', async () => {
    const { proofs, end, changes } = proofsOf();
    proofs.of(one);
    proofs.keep(new Set());
    await end();
    assert.equal(changes(), 0);
    assert.equal(proofs.of(one).kind, 'pending');
    proofs.stop();
    await end();
    assert.equal(changes(), 0);
  });
});

describe('enterCaller', () => {
  function namespace(rest: Partial<NetworkNamespace> = {}) {
    let isOpen = true;
    const made: NetworkNamespace = {
      cookie: 1n,
      isOwn: false,
      hasAddress: (ip) => ip === '10.0.0.9',
      socket: () => assert.fail('no socket is needed'),
      close: () => {
        isOpen = false;
      },
      ...rest,
    };
    return { made, isOpen: () => isOpen };
  }
  const enter = (made: NetworkNamespace, addresses = ['10.0.0.8', '10.0.0.9']) => {
    const entered = enterCaller({ pid: 7, addresses }, () => made);
    return entered.ok ? 'entered' : entered.error.message;
  };

  it('believes a process that has one of the addresses', () => {
    const { made, isOpen } = namespace();
    assert.equal(enter(made), 'entered');
    assert.equal(isOpen(), true);
  });

  it('closes what it does not believe', () => {
    const hasAddress = (): never => {
      throw new AppError('ERR_SYSCALL', 'setns: EPERM', { errno: 'EPERM', syscall: 'setns' });
    };
    const cases: readonly [Partial<NetworkNamespace>, string[], string][] = [
      [{}, ['10.0.0.8'], 'process 7 does not have its address: 10.0.0.8'],
      [{ isOwn: true }, ['10.0.0.9'], "its network namespace is the ambassador's own"],
      [{ hasAddress }, ['10.0.0.9'], 'its network namespace may not be entered (--cap-add SYS_ADMIN)'],
    ];
    for (const [rest, addresses, reason] of cases) {
      const { made, isOpen } = namespace(rest);
      assert.equal(enter(made, addresses), reason);
      assert.equal(isOpen(), false);
    }
  });
});
