import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { renderPage } from '../../../src/admin/page/page.ts';
import { endpoint } from '../../../src/core/endpoint.ts';
import { BoardBed, redis1, redis2, to } from '../../support/board-bed.ts';
import { gatewayStatus } from '../../support/gateway-status.ts';
import { resourcesNow } from '../../support/resources.ts';

describe('StatusBoard', () => {
  it('shows backends with their endpoints, counts and callers', async () => {
    await using bed = await BoardBed.start();
    bed.backend('redis', [redis1, endpoint('10.0.0.2', 6379, { weight: 3, priority: 1 })], {
      options: { balance: 'leastconn', checkMs: 5000 },
    });
    bed.caller('c'.repeat(64), 'web', [
      [6379, to('redis')],
      [6380, to('redis')],
    ]);
    bed.carried('redis', '10.0.0.1:6379', {
      active: 1,
      connections: 5,
      kernelConnections: 0,
      failures: 2,
      bytesUp: 7,
      bytesDown: 9,
    });
    const { backends } = bed.board.status();
    assert.equal(backends.length, 1);
    const [redis] = backends;
    assert.ok(redis);
    const { endpoints, rates, ...shown } = redis;
    assert.deepEqual(shown, {
      backend: 'redis',
      options: { balance: 'leastconn', check: '5000ms' },
      state: 'up',
      callers: 1,
      active: 1,
      connections: 5,
      kernelConnections: 0,
      failures: 2,
      bytesUp: 7,
      bytesDown: 9,
    });
    assert.deepEqual(
      endpoints.map(({ address, name, weight, priority, state, connections }) => ({
        address,
        name,
        weight,
        priority,
        state,
        connections,
      })),
      [
        { address: '10.0.0.1:6379', name: 'redis-1', weight: 1, priority: 0, state: 'up', connections: 5 },
        { address: '10.0.0.2:6379', name: '10.0.0.2', weight: 3, priority: 1, state: 'up', connections: 0 },
      ],
    );
  });

  it("shows callers by name, with their routes' state or why they are refused", async () => {
    await using bed = await BoardBed.start();
    bed.backend('redis', [redis1]);
    bed.backend('waiting', [], { isResolved: false });
    bed.backend('empty', []);
    bed.caller('b'.repeat(64), 'shop', []);
    bed.caller('a'.repeat(64), 'blog', [
      [9000, { kind: 'refused', code: 'ERR_DESCRIPTOR_SYNTAX', reason: 'column 3' }],
      [80, to('waiting')],
      [6379, to('redis')],
      [81, to('empty')],
    ]);
    assert.deepEqual(bed.board.status().callers, [
      {
        id: 'aaaaaaaaaaaa',
        name: 'blog',
        addresses: ['172.17.0.5'],
        routes: [
          { port: 80, state: 'waiting', backend: 'waiting' },
          { port: 81, state: 'down', backend: 'empty' },
          { port: 6379, state: 'up', backend: 'redis' },
          { port: 9000, state: 'refused', reason: 'column 3' },
        ],
      },
      { id: 'bbbbbbbbbbbb', name: 'shop', addresses: ['172.17.0.5'], routes: [] },
    ]);
  });

  it('tells the state of an endpoint, since when, and what failed', async () => {
    await using bed = await BoardBed.start();
    const appeared = bed.nowMs;
    bed.backend('redis', [redis1, redis2]);
    bed.nowMs += 60_000;
    bed.health.failed(redis1, 'ECONNREFUSED');
    const suspect = bed.board.status().backends[0];
    assert.equal(suspect?.state, 'degraded');
    const [first, second] = suspect?.endpoints ?? [];
    assert.deepEqual(
      [first?.state, first?.since, first?.failure],
      ['suspect', appeared + 60_000, 'ECONNREFUSED'],
    );
    assert.deepEqual([second?.state, second?.since, second?.failure], ['up', appeared, undefined]);

    bed.nowMs += 1000;
    bed.backend('redis', [redis1, redis2], { ejected: ['10.0.0.1:6379'] });
    assert.deepEqual(
      bed.board.status().backends[0]?.endpoints.map(({ state, since }) => [state, since]),
      [
        ['ejected', appeared + 61_000],
        ['up', appeared],
      ],
    );

    bed.nowMs += 1000;
    bed.health.succeeded(redis1);
    bed.backend('redis', [redis1, redis2]);
    const [again] = bed.board.status().backends[0]?.endpoints ?? [];
    assert.deepEqual([again?.state, again?.since, again?.failure], ['up', appeared + 62_000, undefined]);
  });

  it('calls a backend degraded whose source fails, and down where none of its endpoints is up', async () => {
    await using bed = await BoardBed.start();
    bed.backend('a', [redis1], { problem: 'no answer' });
    assert.deepEqual(
      [bed.board.status().backends[0]?.state, bed.board.status().backends[0]?.problem],
      ['degraded', 'no answer'],
    );
    bed.health.failed(redis1, 'ETIMEDOUT');
    assert.equal(bed.board.status().backends[0]?.state, 'down');
  });

  it('tells rates and their history', async () => {
    await using bed = await BoardBed.start();
    bed.backend('redis', [redis1]);
    bed.carried('redis', '10.0.0.1:6379', {});
    bed.board.sample();
    bed.counters.served = 50;
    bed.carried('redis', '10.0.0.1:6379', { connections: 50, bytesUp: 5000 });
    bed.board.sample();
    const { traffic, backends } = bed.board.status();
    assert.equal(traffic.history.points.length, 2);
    assert.ok(traffic.rates.connectionsPerS > 0);
    const ratio = traffic.rates.bytesUpPerS / traffic.rates.connectionsPerS;
    assert.ok(Math.abs(ratio - 100) < 1e-6, `${ratio}`);
    assert.deepEqual(backends[0]?.rates, traffic.rates);
    assert.deepEqual(backends[0]?.endpoints[0]?.rates, traffic.rates);
    for (let turn = 0; turn < 200; turn++) bed.board.sample();
    assert.equal(bed.board.status().traffic.history.points.length, 60);
  });

  it('puts its latest together once for all who ask in a second', () => {
    const bed = new BoardBed();
    let readings = 0;
    const source = { address: undefined, counters: { active: 0, served: 0, refused: 0 }, kind: 'x' };
    const traffic = () => {
      readings++;
      return [];
    };
    bed.board.showTraffic({ ...source, traffic }, 5);
    for (let time = 0; time < 50; time++) assert.equal(bed.board.latest, bed.board.latest);
    assert.ok(readings <= 2, `${readings} readings`);
  });

  it('adds up its data planes', () => {
    const { board, counters } = new BoardBed();
    Object.assign(counters, { active: 1, served: 2, refused: 3 });
    const other = { active: 10, served: 20, refused: 30 };
    board.showTraffic({ address: { ip: '::', port: 80 }, counters: other, kind: 'x', traffic: () => [] }, 5);
    const { listen, active, connections, refused, maxConnections } = board.status().traffic;
    assert.deepEqual(
      [listen, active, connections, refused, maxConnections],
      [['[::]:10000', '[::]:80'], 11, 22, 33, 1005],
    );
  });

  it('counts what the kernel led among all connections, and says whose routes it serves', () => {
    const bed = new BoardBed();
    bed.backend('redis', [redis1]);
    bed.caller('c1', 'web', [
      [6379, to('redis')],
      [6380, to('redis')],
      [1, { kind: 'refused', code: 'ERR_NO_ROUTE', reason: 'x' }],
    ]);
    bed.carried('redis', '10.0.0.1:6379', { connections: 2, bytesUp: 5 });
    bed.counters.served = 2;
    const led = { callerId: 'c1', backendKey: 'redis', endpoint: '10.0.0.1:6379' };
    bed.board.showKernel({
      counters: {
        routes: 1,
        connects: [
          { ...led, port: 6379, connects: 40 },
          { ...led, port: 6380, connects: 3 },
        ],
      },
      pathOf: (_, port) => (port === 6379 ? { kind: 'kernel' } : { kind: 'proxy', reason: 'send-proxy' }),
    });
    const { traffic, backends, callers } = bed.board.status();
    assert.deepEqual([traffic.connections, traffic.kernel], [45, { routes: 1, connections: 43 }]);
    const [endpointNow] = backends[0]?.endpoints ?? [];
    assert.deepEqual([endpointNow?.connections, endpointNow?.kernelConnections], [45, 43]);
    assert.deepEqual(
      callers[0]?.routes.map(({ port, path, pathReason }) => [port, path, pathReason]),
      [
        [1, undefined, undefined],
        [6379, 'kernel', undefined],
        [6380, 'proxy', 'send-proxy'],
      ],
    );
  });

  it("shows the gateway's endpoints in the words of all others", () => {
    const { board } = new BoardBed();
    assert.equal(board.status().gateway, undefined);
    board.showGateway(() => gatewayStatus);
    board.sample();
    const { gateway, traffic } = board.status();
    assert.deepEqual(traffic.listen, ['[::]:10000', '[::]:80']);
    assert.deepEqual([traffic.active, traffic.connections, traffic.refused], [5, 45, 0]);
    assert.deepEqual([traffic.bytesUp, traffic.bytesDown], [100, 1000]);
    const [application] = gateway?.applications ?? [];
    assert.deepEqual([application?.state, application?.served], ['degraded', 10]);
    assert.deepEqual(
      application?.endpoints.map(({ state, connections, failure }) => [state, connections, failure]),
      [
        ['up', 10, undefined],
        ['ejected', 0, 'HEAD / answered 503'],
      ],
    );
    assert.deepEqual(
      gateway?.services.map(({ name, state, health }) => [name, state, health]),
      [['mysql', 'port-taken', 'up']],
    );
  });

  it('shows what this host has registered, with a bounded number of problems', () => {
    const { board } = new BoardBed();
    assert.equal(board.status().registration, undefined);
    const problems = Array.from({ length: 80 }, (_, index) => `container c${index}: not registered`);
    board.showRegistration(() => ({ isConnected: false, wanted: 3, written: 2, problems }));
    const { registration } = board.status();
    assert.deepEqual([registration?.isConnected, registration?.wanted, registration?.written], [false, 3, 2]);
    assert.deepEqual(registration?.problems, problems.slice(0, 50));
    const page = renderPage(board.status(), '');
    assert.match(page, /2 of 3 entries registered, and the registry does not answer/);
    assert.match(page, /container c49: not registered/);
    assert.doesNotMatch(page, /<h2>Callers/);
  });

  it('is ready between the end of the start and the beginning of the stop', () => {
    const { board } = new BoardBed();
    const now = () => [board.isServing, board.isReady, board.status().nuncio.state];
    assert.deepEqual(now(), [false, false, 'starting']);
    let isServing = true;
    board.showServing(() => isServing);
    assert.deepEqual(now(), [true, false, 'starting']);
    board.become('ready');
    assert.deepEqual(now(), [true, true, 'ready']);
    isServing = false;
    assert.deepEqual(now(), [false, false, 'ready']);
    isServing = true;
    board.become('draining');
    assert.deepEqual(now(), [true, false, 'draining']);
  });

  it('survives a copy as plain data, and has nothing to show at first', () => {
    const bed = new BoardBed();
    bed.board.showGateway(() => gatewayStatus);
    bed.backend('redis', [redis1]);
    const status = bed.board.status();
    assert.deepEqual(JSON.parse(JSON.stringify(status)), status);
  });

  it('leaves nothing behind', async () => {
    const backToStart = await resourcesNow();
    const bed = await BoardBed.start();
    bed.backend('redis', [redis1]);
    await bed[Symbol.asyncDispose]();
    await bed.board.stop();
    await backToStart();
  });
});
