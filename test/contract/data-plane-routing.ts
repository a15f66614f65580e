import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { formatHostPort, type SocketAddress } from '../../src/core/address.ts';
import { endpointKey } from '../../src/core/endpoint.ts';
import { proxyHeader } from '../../src/proxy/proxy-header.ts';
import type { RouteTarget } from '../../src/route/table.ts';
import type { LogLine } from '../support/recording-logger.ts';
import { ending, isConnection, isRefusal, readAll, type StartBed } from './data-plane-bed.ts';

const echo = (socket: Socket) => socket.pipe(socket);

/** Answers each connection with its own name and ends. */
const named = (name: string) => (socket: Socket) => socket.end(name);

/**
 * Who is served, by whom, and who is refused.
 *
 * @param threads that choose endpoints
 */
export function routesConnections(start: StartBed, threads: number): void {
  describe('the way of a connection', () => {
    it('relays both ways and logs one line at the end', async () => {
      await using bed = await start();
      const redis = await bed.endpoint(echo);
      bed.setEndpoints([redis]);
      const call = bed.call();
      call.end('hello');
      assert.equal((await readAll(call)).toString(), 'hello');
      const { fields } = await bed.log.line(isConnection);
      assert.equal(fields.caller, 'web-1');
      assert.equal(fields.destination, formatHostPort(bed.destination.ip, bed.destination.port));
      assert.equal(fields.endpoint, `127.0.0.1:${redis.port}`);
      assert.deepEqual([fields.bytesUp, fields.bytesDown, fields.end], [5, 5, 'closed']);
      assert.ok(
        (fields.connectMs as number) >= 0 && (fields.totalMs as number) >= (fields.connectMs as number),
      );
      assert.equal(bed.log.lines.filter(isConnection).length, 1);
      assert.deepEqual(bed.proxy.counters, { active: 0, served: 1, refused: 0 });
    });

    it('gives equal endpoints equal shares', async () => {
      await using bed = await start();
      bed.setEndpoints([
        await bed.endpoint(named('a')),
        await bed.endpoint(named('b')),
        await bed.endpoint(named('c')),
      ]);
      const shares = new Map<string, number>();
      for (let i = 0; i < 30; i++) {
        const name = (await readAll(bed.call())).toString();
        shares.set(name, (shares.get(name) ?? 0) + 1);
      }
      assert.equal(shares.size, 3);
      // Each thread has a rotation of its own, and the last turn of each may be incomplete.
      for (const share of shares.values()) assert.ok(Math.abs(share - 10) <= threads - 1, `${[...shares]}`);
    });

    it('uses a changed set from the next connection on, and leaves the open one alone', async () => {
      await using bed = await start();
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
      await using bed = await start({ backendOptions: { balance: 'first' } });
      bed.setEndpoints([await bed.closedPort(), await bed.closedPort(), await bed.endpoint(named('alive'))]);
      const call = bed.call();
      call.end();
      assert.equal((await readAll(call)).toString(), 'alive');
      await bed.log.line(isConnection);
      assert.equal(bed.log.lines.filter((line) => /ECONNREFUSED/.test(line.message)).length, 2);
    });

    it('dials an ejected endpoint only when all others have failed', async () => {
      await using bed = await start();
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
      await using bed = await start({ health, backendOptions: { balance: 'first' } });
      const [closed, alive] = [await bed.closedPort(), await bed.endpoint(named('alive'))];
      bed.setEndpoints([closed, alive]);
      const call = bed.call();
      call.end();
      await readAll(call);
      await bed.log.line(isConnection);
      assert.deepEqual(shown, [`${endpointKey(closed)} ECONNREFUSED`, `${endpointKey(alive)} ok`]);
    });

    for (const version of ['v1', 'v2'] as const) {
      it(`tells the endpoint who called before the first byte, by ${version} of the PROXY protocol`, async () => {
        await using bed = await start({ backendOptions: { sendProxy: version } });
        bed.setEndpoints([await bed.endpoint(echo)]);
        const call = bed.call();
        await once(call, 'connect');
        const caller = { ip: '127.0.0.1', port: call.localPort ?? 0 };
        call.end('hello');
        const received = await readAll(call);
        const header = proxyHeader(version, caller, bed.destination);
        assert.equal(received.subarray(header.length).toString(), 'hello');
        assert.equal((await bed.log.line(isConnection)).fields.bytesUp, 5);
      });
    }

    it('resets where every endpoint refuses, and says which and why', async () => {
      await using bed = await start();
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
      await using bed = await start({ backendOptions: { balance: 'first', connectTimeoutMs: 50 } });
      const silent = { ip: '192.0.2.77', port: 9, name: 'silent', weight: 1, priority: 0, tags: [] };
      bed.setEndpoints([silent, await bed.endpoint(named('alive'))]);
      assert.equal((await readAll(bed.call())).toString(), 'alive');
    });
  });

  describe('refusals are resets, with a line that says why', () => {
    const refused: RouteTarget = {
      kind: 'refused',
      code: 'ERR_DESCRIPTOR_SYNTAX',
      reason: 'column 3: expected a port',
    };
    const gone: RouteTarget = { kind: 'backend', backendKey: 'another' };
    const cases: readonly [
      what: string,
      target: RouteTarget | undefined,
      port: number | undefined,
      code: string,
      reason: RegExp,
    ][] = [
      ['no route for the port', undefined, 81, 'ERR_NO_ROUTE', /set BACKEND_\d+/],
      ['a descriptor that did not parse', refused, undefined, 'ERR_DESCRIPTOR_SYNTAX', /column 3/],
      ['a backend without endpoints', undefined, undefined, 'ERR_NO_ENDPOINT', /no endpoint/],
      ['a backend that is not in the table', gone, undefined, 'ERR_NO_ENDPOINT', /not in the table/],
    ];
    for (const [what, target, port, code, reason] of cases) {
      it(what, async () => {
        await using bed = await start();
        bed.setCaller('web-1', target, port);
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
      await using bed = await start({ awaitCaller });
      bed.table.apply({ kind: 'caller-gone', id: 'c1' });
      assert.equal(await ending(bed.call()), 'ECONNRESET');
      assert.deepEqual(asked, ['127.0.0.1']);
      assert.equal((await bed.log.line(isRefusal)).fields.code, 'ERR_UNKNOWN_CALLER');
    });

    it('a connection above the limit, said once, and taken again when there is room', async () => {
      await using bed = await start({ maxConnections: 1 });
      bed.setEndpoints([await bed.endpoint(echo)]);
      const first = bed.call();
      first.write('x');
      await once(first, 'data');
      assert.equal(await ending(bed.call()), 'ECONNRESET');
      assert.equal(await ending(bed.call()), 'ECONNRESET');
      first.end();
      // Threads tell each in their own time.
      const isLimit = (line: LogLine) => line.fields.code === 'ERR_LIMIT';
      await Promise.all([bed.log.line(isConnection), bed.log.line(isLimit)]);
      assert.equal(bed.log.lines.filter(isLimit).length, 1);
      const second = bed.call();
      second.end('again');
      assert.equal((await readAll(second)).toString(), 'again');
    });
  });

  describe('waiting', () => {
    it('serves a caller that becomes known while its connection waits', async () => {
      await using bed = await start({
        awaitCaller: async () => {
          await turn();
          bed.setCaller('late');
          return true;
        },
      });
      bed.table.apply({ kind: 'caller-gone', id: 'c1' });
      bed.setEndpoints([await bed.endpoint(named('served'))]);
      const call = bed.call();
      call.end();
      assert.equal((await readAll(call)).toString(), 'served');
      assert.equal((await bed.log.line(isConnection)).fields.caller, 'late');
    });

    it('waits for the first answer of a backend', async () => {
      await using bed = await start();
      const alive = await bed.endpoint(named('served'));
      bed.setEndpoints([], false);
      const call = bed.call();
      await once(call, 'connect');
      bed.setEndpoints([alive]);
      assert.equal((await readAll(call)).toString(), 'served');
    });

    it('does not wait for ever', async () => {
      await using bed = await start({ limits: { resolveWaitMs: 20 } });
      bed.setEndpoints([], false);
      assert.equal(await ending(bed.call()), 'ECONNRESET');
    });
  });
}
