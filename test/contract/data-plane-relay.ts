import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { ending, isConnection, readAll, type StartBed } from './data-plane-bed.ts';

const echo = (socket: Socket) => socket.pipe(socket);

/** What becomes of the bytes, the ends, the resets, and of connections that are open at a stop. */
export function carriesConnections(start: StartBed): void {
  describe('relay', () => {
    it('passes the end of the caller through and leaves the way back open', async () => {
      await using bed = await start();
      const server = (socket: Socket) => {
        void readAll(socket).then((all) => socket.end(`got ${all.length}`));
      };
      bed.setEndpoints([await bed.endpoint(server)]);
      const call = bed.call();
      call.end('12345');
      assert.equal((await readAll(call)).toString(), 'got 5');
    });

    it('passes the end of the endpoint through and leaves the way there open', async () => {
      await using bed = await start();
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
      await using bed = await start();
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
      await using bed = await start();
      bed.setEndpoints([await bed.endpoint((socket) => socket.once('data', () => socket.resetAndDestroy()))]);
      const call = bed.call();
      call.write('x');
      assert.equal(await ending(call), 'ECONNRESET');
      const { fields } = await bed.log.line(isConnection);
      assert.equal(fields.end, 'reset-by-endpoint');
      assert.equal(fields.code, 'ECONNRESET');
    });

    it('closes a half-closed connection that is silent for too long', async () => {
      await using bed = await start({ limits: { halfClosedMs: 30 } });
      bed.setEndpoints([await bed.endpoint((socket) => socket.resume())]);
      const call = bed.call();
      call.end('done');
      assert.equal(await ending(call), 'ECONNRESET');
      assert.equal((await bed.log.line(isConnection)).fields.end, 'half-closed-timeout');
    });

    it('carries 64 MiB each way, in odd pieces, with equal hashes', async () => {
      await using bed = await start();
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
      await using bed = await start();
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
      await using bed = await start();
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
      await using bed = await start();
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
      await using bed = await start();
      bed.setEndpoints([await bed.endpoint(echo)]);
      const call = bed.call();
      call.write('x');
      await once(call, 'data');
      const patient = bed.proxy.stop(3_600_000);
      await bed.proxy.stop(0);
      await patient;
    });
  });
}
