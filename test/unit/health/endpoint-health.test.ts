import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import fc from 'fast-check';
import { endpoint } from '../../../src/core/endpoint.ts';
import { askOnce } from '../../../src/health/ask-once.ts';
import { connectOnce } from '../../../src/health/connect-once.ts';
import { ejectedOf } from '../../../src/health/ejection.ts';
import { EndpointHealth } from '../../../src/health/endpoint-health.ts';
import { RecordingLogger } from '../../support/recording-logger.ts';

const redis = endpoint('10.0.0.1', 6379);
const spare = endpoint('10.0.0.2', 6379);

/** Health whose checks end as the test says, on a clock that the test moves. */
function setUp() {
  const outcomes = new Map<string, string | undefined>();
  const checked: string[] = [];
  const logger = new RecordingLogger();
  const told: string[] = [];
  const health = new EndpointHealth({
    connect: async ({ ip }) => {
      checked.push(ip);
      return outcomes.get(ip);
    },
    logger,
    random: () => 0.5,
  });
  health.subscribe((key) => told.push(`${key} ${health.isDown(key.startsWith('10.0.0.1') ? redis : spare)}`));
  return { health, outcomes, checked, logger, told };
}

/** Moves the clock and lets what is due happen. */
async function pass(ms: number): Promise<void> {
  mock.timers.tick(ms);
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
}

beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
afterEach(() => mock.timers.reset());

describe('passive ejection', () => {
  it('leaves an endpoint out for 1 s, then for twice as long each time, 60 s at most', async () => {
    const { health } = setUp();
    for (const seconds of [1, 2, 4, 8, 16, 32, 60, 60]) {
      health.failed(redis, 'ECONNREFUSED');
      await pass(seconds * 1000 - 1);
      assert.equal(health.isDown(redis), true, `${seconds} s`);
      await pass(1);
      assert.equal(health.isDown(redis), false, `${seconds} s`);
    }
    health.stop();
  });

  it('does not prolong an ejection by what fails meanwhile', async () => {
    const { health, told } = setUp();
    health.failed(redis, 'ETIMEDOUT');
    await pass(900);
    health.failed(redis, 'ETIMEDOUT');
    await pass(100);
    assert.equal(health.isDown(redis), false);
    assert.deepEqual(told, ['10.0.0.1:6379 true', '10.0.0.1:6379 false']);
    health.stop();
  });

  it('ends at the first success, and begins again with the short time', async () => {
    const { health, logger } = setUp();
    health.failed(redis, 'ECONNREFUSED');
    await pass(1000);
    health.failed(redis, 'ECONNREFUSED');
    health.succeeded(redis);
    assert.equal(health.isDown(redis), false);
    assert.match(logger.at('info').at(-1) ?? '', /accepts again/);
    health.failed(redis, 'ECONNREFUSED');
    await pass(1000);
    assert.equal(health.isDown(redis), false);
    health.stop();
  });

  it('forgets after five quiet minutes', async () => {
    const { health } = setUp();
    health.failed(redis, 'ECONNREFUSED');
    await pass(1000);
    await pass(300_000);
    health.failed(redis, 'ECONNREFUSED');
    await pass(1000);
    assert.equal(health.isDown(redis), false);
    health.stop();
  });

  it("does not blame an endpoint for this machine's want of files, ports or memory, nor for a stop", () => {
    const { health } = setUp();
    for (const code of ['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ECANCELED'])
      health.failed(redis, code);
    assert.equal(health.isDown(redis), false);
    health.stop();
  });

  it('tells nothing and keeps no timer after stop', async () => {
    const { health, told } = setUp();
    health.failed(redis, 'ECONNREFUSED');
    health.check('b', [spare], 1000);
    health.stop();
    await pass(1_000_000);
    assert.deepEqual(told, ['10.0.0.1:6379 true']);
  });
});

describe('active checks', () => {
  it('find out at once, and again after each interval', async () => {
    const { health, outcomes, checked } = setUp();
    outcomes.set('10.0.0.1', 'ECONNREFUSED');
    health.check('b', [redis, spare], 5000);
    await pass(0);
    assert.equal(health.isDown(redis), true);
    assert.equal(health.isDown(spare), false);
    await pass(4000);
    assert.equal(checked.length, 2);
    await pass(1500);
    assert.equal(checked.length, 4);
    health.stop();
  });

  it('alone take an endpoint back that they look after', async () => {
    const { health, outcomes } = setUp();
    outcomes.set('10.0.0.1', 'ETIMEDOUT');
    health.check('b', [redis], 5000);
    await pass(0);
    for (let round = 0; round < 30; round++) await pass(6000);
    assert.equal(health.isDown(redis), true);
    outcomes.set('10.0.0.1', undefined);
    await pass(6000);
    assert.equal(health.isDown(redis), false);
    health.stop();
  });

  it('are one for an address, at the shortest interval, while anybody asks', async () => {
    const { health, checked } = setUp();
    health.check('slow', [redis], 60_000);
    health.check('fast', [redis], 1000);
    await pass(0);
    await pass(1100);
    assert.equal(checked.length, 2);
    health.check('fast', [], 1000);
    health.check('slow', [], 60_000);
    await pass(1_000_000);
    assert.equal(checked.length, 2);
    health.stop();
  });

  it('give an endpoint back to the callers when nobody asks any more', async () => {
    const { health, outcomes } = setUp();
    outcomes.set('10.0.0.1', 'ECONNREFUSED');
    health.check('b', [redis], 5000);
    await pass(0);
    health.check('b', [], 5000);
    assert.equal(health.isDown(redis), false);
    health.stop();
  });
});

describe('ejectedOf', () => {
  const sets = fc.array(fc.boolean(), { maxLength: 12 });
  const endpoints = (count: number) =>
    Array.from({ length: count }, (_, n) => endpoint(`10.0.0.${n + 1}`, 80));

  it('is never more than half, only of those that are down, and nobody where all are', () => {
    fc.assert(
      fc.property(sets, (states) => {
        const set = endpoints(states.length);
        const down = new Set(set.filter((_, index) => states[index]));
        const ejected = ejectedOf(set, (candidate) => down.has(candidate));
        assert.ok(ejected.length <= states.length / 2);
        assert.ok(ejected.every((candidate) => down.has(candidate)));
        const expected = down.size === set.length ? 0 : Math.min(down.size, Math.floor(set.length / 2));
        assert.equal(ejected.length, expected);
      }),
    );
  });
});

describe('connectOnce', () => {
  it('says whether an endpoint accepts', async () => {
    mock.timers.reset();
    const server = createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = { ip: '127.0.0.1', port: (server.address() as AddressInfo).port };
    const { signal } = new AbortController();
    assert.equal(await connectOnce(address, 1000, signal), undefined);
    server.close();
    await once(server, 'close');
    assert.equal(await connectOnce(address, 1000, signal), 'ECONNREFUSED');
    assert.equal(await connectOnce(address, 1000, AbortSignal.abort()), 'ECANCELED');
  });
});

describe('checks by HTTP', () => {
  it('count for the host that was asked for, and a success for the address too', async () => {
    const outcomes = new Map<string, string | undefined>([['a.example', 'HTTP_503']]);
    const told: string[] = [];
    const health = new EndpointHealth({
      connect: async () => undefined,
      ask: async (_, host) => outcomes.get(host),
      logger: new RecordingLogger(),
    });
    health.subscribe((key) => told.push(key));
    health.check('a', [redis], 5000, 'a.example');
    health.check('b', [redis], 5000, 'b.example');
    health.failed(redis, 'ECONNREFUSED');
    await pass(0);
    assert.equal(health.failureOf(redis), undefined, 'b.example answered, so the address accepts');
    assert.equal(health.failureOf(redis, 'a.example'), 'HTTP_503');
    assert.equal(health.isDown(redis, 'b.example'), false);
    outcomes.clear();
    await pass(6000);
    assert.equal(health.isDown(redis, 'a.example'), false);
    assert.deepEqual(new Set(told), new Set(['10.0.0.1:6379']));
    health.stop();
  });

  it('are 64 at once, and none is left after the end', async () => {
    let running = 0;
    let most = 0;
    const health = new EndpointHealth({
      connect: async () => undefined,
      ask: (_address, _host, _ms, signal) => {
        most = Math.max(most, ++running);
        return new Promise((resolve) =>
          signal.addEventListener('abort', () => {
            running--;
            resolve('ECANCELED');
          }),
        );
      },
      logger: new RecordingLogger(),
    });
    for (let i = 0; i < 200; i++) health.check(`${i}`, [redis], 5000, `${i}.example`);
    await pass(0);
    assert.equal(most, 64);
    health.stop();
    await pass(0);
    assert.equal(running, 0);
  });
});

describe('askOnce', () => {
  for (const [answer, outcome] of [
    ['HTTP/1.1 200 OK\r\n\r\n', undefined],
    ['HTTP/1.0 302 Found\r\n', undefined],
    ['HTTP/1.1 404 Not Found\r\n', undefined],
    ['HTTP/1.1 501 Unsupported method\r\n', undefined],
    ['HTTP/1.1 500 Oh\r\n', 'HTTP_500'],
    ['HTTP/1.1 503\r\n', 'HTTP_503'],
    ['SSH-2.0-OpenSSH\r\n', 'EPROTO'],
    ['', 'ECONNRESET'],
  ] as const) {
    it(`${JSON.stringify(answer)}: ${outcome ?? 'up'}`, async () => {
      mock.timers.reset();
      let request = '';
      const server = createServer((socket) => {
        socket.on('error', () => {});
        socket.once('data', (data) => {
          request = data.toString();
          socket.end(answer);
        });
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const { signal } = new AbortController();
      assert.equal(await askOnce({ ip: '127.0.0.1', port }, 'blog.example', 1000, signal), outcome);
      assert.match(request, /^HEAD \/ HTTP\/1\.1\r\nHost: blog\.example\r\n/);
      server.close();
    });
  }
});

describe('ejection', () => {
  it('of what has been asked leaves out all that are down, unless all are', () => {
    const set = [1, 2, 3].map((n) => endpoint(`10.0.0.${n}`, 80));
    const down = (count: number) => (one: { ip: string }) => Number(one.ip.slice(-1)) <= count;
    assert.equal(ejectedOf(set, down(2)).length, 1);
    assert.equal(ejectedOf(set, down(2), true).length, 2);
    assert.equal(ejectedOf(set, down(3), true).length, 0);
  });
});
