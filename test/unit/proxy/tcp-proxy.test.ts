import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { SocketAddress } from '../../../src/core/address.ts';
import { endpointKey } from '../../../src/core/endpoint.ts';
import { proxyHeader } from '../../../src/proxy/proxy-header.ts';
import type { LogLine } from '../../support/recording-logger.ts';
import { Bed, ending, readAll } from './bed.ts';

const echo = (socket: Socket) => socket.pipe(socket);
const isConnection = (line: LogLine) => line.message === 'connection';
const isRefusal = (line: LogLine) => line.message.startsWith('refused');

/** Answers each connection with its own name and ends. */
const named = (name: string) => (socket: Socket) => socket.end(name);

describe('the way of a connection', () => {
  it('relays both ways and logs one line at the end', async () => {
    await using bed = await Bed.start();
    const redis = await bed.endpoint(echo);
    bed.setEndpoints([redis]);
    const call = bed.call();
    call.end('hello');
    assert.equal((await readAll(call)).toString(), 'hello');
    const { fields } = await bed.log.line(isConnection);
    assert.equal(fields.caller, 'web-1');
    assert.equal(fields.destination, '172.17.0.2:6379');
    assert.equal(fields.endpoint, `127.0.0.1:${redis.port}`);
    assert.deepEqual([fields.bytesUp, fields.bytesDown, fields.end], [5, 5, 'closed']);
    assert.ok(
      (fields.connectMs as number) >= 0 && (fields.totalMs as number) >= (fields.connectMs as number),
    );
    assert.equal(bed.log.lines.filter(isConnection).length, 1);
    assert.deepEqual(bed.proxy.counters, { active: 0, served: 1, refused: 0 });
  });

  it('gives equal endpoints equal shares', async () => {
    await using bed = await Bed.start();
    bed.setEndpoints([
      await bed.endpoint(named('a')),
      await bed.endpoint(named('b')),
      await bed.endpoint(named('c')),
    ]);
    const answers: string[] = [];
    for (let i = 0; i < 9; i++) answers.push((await readAll(bed.call())).toString());
    assert.deepEqual(answers.toSorted().join(''), 'aaabbbccc');
  });

  it('uses a changed set from the next connection on, and leaves the open one alone', async () => {
    await using bed = await Bed.start();
    bed.setEndpoints([await bed.endpoint(echo)]);
    const before = bed.call();
    before.write('x');
    await once(before, 'data');
    bed.setEndpoints([await bed.endpoint(named('new'))]);
    assert.equal((await readAll(bed.call())).toString(), 'new');
    before.end('old');
    assert.equal((await readAll(before)).toString(), 'old');
  });

  it('goes to the next endpoint where one refuses, and the caller notices nothing', async () => {
    await using bed = await Bed.start({ backendOptions: { balance: 'first' } });
    bed.setEndpoints([await bed.closedPort(), await bed.closedPort(), await bed.endpoint(named('alive'))]);
    assert.equal((await readAll(bed.call())).toString(), 'alive');
    assert.equal(bed.log.lines.filter((line) => /ECONNREFUSED/.test(line.message)).length, 2);
  });

  it('dials an ejected endpoint only when all others have failed', async () => {
    await using bed = await Bed.start();
    const [ejected, alive] = [await bed.endpoint(named('ejected')), await bed.endpoint(named('alive'))];
    bed.setEndpoints([ejected, alive], true, [endpointKey(ejected)]);
    for (let i = 0; i < 4; i++) assert.equal((await readAll(bed.call())).toString(), 'alive');
    bed.setEndpoints([ejected, await bed.closedPort()], true, [endpointKey(ejected)]);
    assert.equal((await readAll(bed.call())).toString(), 'ejected');
  });

  it('tells what each dial has shown', async () => {
    const shown: string[] = [];
    const health = {
      failed: (address: SocketAddress, code: string) => void shown.push(`${endpointKey(address)} ${code}`),
      succeeded: (address: SocketAddress) => void shown.push(`${endpointKey(address)} ok`),
    };
    await using bed = await Bed.start({ health, backendOptions: { balance: 'first' } });
    const [closed, alive] = [await bed.closedPort(), await bed.endpoint(named('alive'))];
    bed.setEndpoints([closed, alive]);
    await readAll(bed.call());
    assert.deepEqual(shown, [`${endpointKey(closed)} ECONNREFUSED`, `${endpointKey(alive)} ok`]);
  });

  for (const version of ['v1', 'v2'] as const) {
    it(`tells the endpoint who called before the first byte, by ${version} of the PROXY protocol`, async () => {
      await using bed = await Bed.start({ backendOptions: { sendProxy: version } });
      bed.setEndpoints([await bed.endpoint(echo)]);
      const call = bed.call();
      await once(call, 'connect');
      const caller = { ip: '127.0.0.1', port: call.localPort ?? 0 };
      call.end('hello');
      const received = await readAll(call);
      const header = proxyHeader(version, caller, { ip: '172.17.0.2', port: 6379 });
      assert.equal(received.subarray(header.length).toString(), 'hello');
      assert.equal((await bed.log.line(isConnection)).fields.bytesUp, 5);
    });
  }

  it('resets where every endpoint refuses, and says which and why', async () => {
    await using bed = await Bed.start();
    const [a, b] = [await bed.closedPort(), await bed.closedPort()];
    bed.setEndpoints([a, b]);
    assert.equal(await ending(bed.call()), 'ECONNRESET');
    const { message, fields } = await bed.log.line(isRefusal);
    assert.match(message, new RegExp(`127.0.0.1:${a.port} ECONNREFUSED`));
    assert.match(message, new RegExp(`127.0.0.1:${b.port} ECONNREFUSED`));
    assert.equal(fields.code, 'ERR_CONNECT_FAILED');
    assert.equal(bed.proxy.counters.refused, 1);
  });

  it('gives up an endpoint that does not answer after the connect timeout', async () => {
    // TEST-NET-1 (RFC 5737) is nobody's address: refused, unreachable or silent, never accepted.
    await using bed = await Bed.start({ backendOptions: { balance: 'first', connectTimeoutMs: 50 } });
    const silent = { ip: '192.0.2.77', port: 9, name: 'silent', weight: 1, priority: 0, tags: [] };
    bed.setEndpoints([silent, await bed.endpoint(named('alive'))]);
    assert.equal((await readAll(bed.call())).toString(), 'alive');
  });
});

describe('refusals are resets, with a line that says why', () => {
  const cases: readonly [
    what: string,
    destination: { ip: string; port: number },
    code: string,
    reason: RegExp,
  ][] = [
    ['no route for the port', { ip: '172.17.0.2', port: 81 }, 'ERR_NO_ROUTE', /set BACKEND_81/],
    [
      'a descriptor that did not parse',
      { ip: '172.17.0.2', port: 7000 },
      'ERR_DESCRIPTOR_SYNTAX',
      /column 3/,
    ],
    ['a backend without endpoints', { ip: '172.17.0.2', port: 6379 }, 'ERR_NO_ENDPOINT', /no endpoint/],
  ];
  for (const [what, destination, code, reason] of cases) {
    it(what, async () => {
      await using bed = await Bed.start({ readDestination: () => destination });
      bed.setEndpoints([]);
      assert.equal(await ending(bed.call()), 'ECONNRESET');
      const line = await bed.log.line(isRefusal);
      assert.match(line.message, reason);
      assert.equal(line.fields.code, code);
      assert.equal(line.fields.caller, 'web-1');
    });
  }

  it('an unknown caller, after it has been looked for', async () => {
    const asked: string[] = [];
    const awaitCaller = async (ip: string) => {
      asked.push(ip);
      return false;
    };
    await using bed = await Bed.start({ awaitCaller });
    bed.table.apply({ kind: 'caller-gone', id: 'c1' });
    assert.equal(await ending(bed.call()), 'ECONNRESET');
    assert.deepEqual(asked, ['127.0.0.1']);
    assert.equal((await bed.log.line(isRefusal)).fields.code, 'ERR_UNKNOWN_CALLER');
  });

  it('a connection whose original destination cannot be read', async () => {
    const readDestination = () => {
      throw new Error('EBADF');
    };
    await using bed = await Bed.start({ readDestination });
    assert.equal(await ending(bed.call()), 'ECONNRESET');
    assert.match((await bed.log.line(isRefusal)).message, /original destination: EBADF/);
  });

  it('a connection above the limit, said once, and taken again when there is room', async () => {
    await using bed = await Bed.start({ maxConnections: 1 });
    bed.setEndpoints([await bed.endpoint(echo)]);
    const first = bed.call();
    first.write('x');
    await once(first, 'data');
    assert.equal(await ending(bed.call()), 'ECONNRESET');
    assert.equal(await ending(bed.call()), 'ECONNRESET');
    assert.equal(bed.log.lines.filter((line) => line.fields.code === 'ERR_LIMIT').length, 1);
    first.end();
    await bed.log.line(isConnection);
    const second = bed.call();
    second.end('again');
    assert.equal((await readAll(second)).toString(), 'again');
  });
});

describe('waiting', () => {
  it('serves a caller that becomes known while its connection waits', async () => {
    const bed = new Bed({
      awaitCaller: async () => {
        await turn();
        bed.table.apply({
          kind: 'caller',
          caller: {
            id: 'c2',
            name: 'late',
            addresses: ['127.0.0.1'],
            routes: new Map([[6379, { kind: 'backend', backendKey: 'b' }]]),
          },
        });
        return true;
      },
    });
    await using _ = bed;
    await bed.proxy.start();
    bed.table.apply({ kind: 'caller-gone', id: 'c1' });
    bed.setEndpoints([await bed.endpoint(named('served'))]);
    const call = bed.call();
    call.end();
    assert.equal((await readAll(call)).toString(), 'served');
    assert.equal((await bed.log.line(isConnection)).fields.caller, 'late');
  });

  it('waits for the first answer of a backend', async () => {
    await using bed = await Bed.start();
    const alive = await bed.endpoint(named('served'));
    bed.setEndpoints([], false);
    const call = bed.call();
    await once(call, 'connect');
    bed.setEndpoints([alive]);
    assert.equal((await readAll(call)).toString(), 'served');
  });

  it('does not wait for ever', async () => {
    await using bed = await Bed.start({ limits: { resolveWaitMs: 20 } });
    bed.setEndpoints([], false);
    assert.equal(await ending(bed.call()), 'ECONNRESET');
  });
});

describe('relay', () => {
  it('passes the end of the caller through and leaves the way back open', async () => {
    await using bed = await Bed.start();
    const server = (socket: Socket) => {
      void readAll(socket).then((all) => socket.end(`got ${all.length}`));
    };
    bed.setEndpoints([await bed.endpoint(server)]);
    const call = bed.call();
    call.end('12345');
    assert.equal((await readAll(call)).toString(), 'got 5');
  });

  it('passes the end of the endpoint through and leaves the way there open', async () => {
    await using bed = await Bed.start();
    const received = Promise.withResolvers<string>();
    const server = (socket: Socket) => {
      socket.end('bye');
      void readAll(socket).then((all) => received.resolve(all.toString()));
    };
    bed.setEndpoints([await bed.endpoint(server)]);
    const call = bed.call();
    assert.equal((await readAll(call)).toString(), 'bye');
    call.end('still here');
    assert.equal(await received.promise, 'still here');
    assert.equal((await bed.log.line(isConnection)).fields.end, 'closed');
  });

  it('passes a reset of the caller on as a reset', async () => {
    await using bed = await Bed.start();
    const seen = Promise.withResolvers<string>();
    const server = (socket: Socket) => {
      socket.write('hello');
      void ending(socket).then(seen.resolve);
    };
    bed.setEndpoints([await bed.endpoint(server)]);
    const call = bed.call();
    await once(call, 'data');
    call.resetAndDestroy();
    assert.equal(await seen.promise, 'ECONNRESET');
    assert.equal((await bed.log.line(isConnection)).fields.end, 'reset-by-caller');
  });

  it('passes a reset of the endpoint on as a reset', async () => {
    await using bed = await Bed.start();
    bed.setEndpoints([await bed.endpoint((socket) => socket.once('data', () => socket.resetAndDestroy()))]);
    const call = bed.call();
    call.write('x');
    assert.equal(await ending(call), 'ECONNRESET');
    const { fields } = await bed.log.line(isConnection);
    assert.equal(fields.end, 'reset-by-endpoint');
    assert.equal(fields.code, 'ECONNRESET');
  });

  it('closes a half-closed connection that is silent for too long', async () => {
    await using bed = await Bed.start({ limits: { halfClosedMs: 30 } });
    bed.setEndpoints([await bed.endpoint((socket) => socket.resume())]);
    const call = bed.call();
    call.end('done');
    assert.equal(await ending(call), 'ECONNRESET');
    assert.equal((await bed.log.line(isConnection)).fields.end, 'half-closed-timeout');
  });

  it('carries 64 MiB each way, in odd pieces, with equal hashes', async () => {
    await using bed = await Bed.start();
    const total = 64 * 1024 * 1024;
    const sum = async (socket: Socket) => {
      const hash = createHash('sha1');
      for await (const chunk of socket) hash.update(chunk as Buffer);
      return hash.digest('hex');
    };
    const send = async (socket: Socket, piece: number, seed: number) => {
      const hash = createHash('sha1');
      for (let sent = 0; sent < total; ) {
        const chunk = Buffer.alloc(Math.min(piece, total - sent), (seed + sent) & 255);
        hash.update(chunk);
        sent += chunk.length;
        if (!socket.write(chunk)) await once(socket, 'drain');
      }
      socket.end();
      return hash.digest('hex');
    };
    const far = Promise.withResolvers<[string, string]>();
    const server = (socket: Socket) => {
      Promise.all([sum(socket), send(socket, 99_991, 7)]).then(far.resolve, far.reject);
    };
    bed.setEndpoints([await bed.endpoint(server)]);
    const call = bed.call();
    const [received, sent] = await Promise.all([sum(call), send(call, 65_537, 3)]);
    const [farReceived, farSent] = await far.promise;
    assert.equal(farReceived, sent);
    assert.equal(received, farSent);
    const { fields } = await bed.log.line(isConnection);
    assert.deepEqual([fields.bytesUp, fields.bytesDown], [total, total]);
  });

  it('holds no more than a few buffers for a reader that has stopped', async () => {
    await using bed = await Bed.start();
    const sink = Promise.withResolvers<Socket>();
    bed.setEndpoints([await bed.endpoint((socket) => sink.resolve(socket.pause()))]);
    const call = bed.call();
    const chunk = Buffer.alloc(1024 * 1024);
    let accepted = 0;
    const stalled = Promise.withResolvers<void>();
    const fill = () => {
      while (accepted < 256) {
        accepted++;
        if (!call.write(chunk)) return;
      }
    };
    call.on('drain', fill);
    fill();
    const stopped = await sink.promise;
    // The writer stalls when the buffers on the way are full: no drain for a while that is long for loopback.
    let last = -1;
    const watch = setInterval(() => {
      if (accepted === last) stalled.resolve();
      last = accepted;
    }, 200);
    await stalled.promise;
    clearInterval(watch);
    assert.ok(accepted < 64, `${accepted} MiB were taken in though nobody read`);
    stopped.destroy();
  });
});

describe('stop', () => {
  it('lets open connections end, and refuses new ones', async () => {
    await using bed = await Bed.start();
    bed.setEndpoints([await bed.endpoint(echo)]);
    const call = bed.call();
    call.write('x');
    await once(call, 'data');
    const stopped = bed.proxy.stop(60_000);
    assert.equal(await ending(bed.call()), 'ECONNREFUSED');
    call.end('last');
    assert.equal((await readAll(call)).toString(), 'last');
    await stopped;
    assert.equal(bed.proxy.counters.active, 0);
  });

  it('cuts off what has not ended by the deadline', async () => {
    await using bed = await Bed.start();
    bed.setEndpoints([await bed.endpoint(echo)]);
    const call = bed.call();
    call.write('x');
    await once(call, 'data');
    const end = ending(call);
    await bed.proxy.stop(10);
    assert.equal(await end, 'ECONNRESET');
    assert.equal((await bed.log.line(isConnection)).fields.end, 'stopped');
  });

  it('ends a drain at once when it is asked a second time, to stop now', async () => {
    await using bed = await Bed.start();
    bed.setEndpoints([await bed.endpoint(echo)]);
    const call = bed.call();
    call.write('x');
    await once(call, 'data');
    const patient = bed.proxy.stop(3_600_000);
    await bed.proxy.stop(0);
    await patient;
  });
});
