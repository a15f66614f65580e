import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { IWatchRequest, IWatchResponse } from 'etcd3';
import type { GrpcFailure, WatchDuplex } from '../../../src/registry/etcd-rpc.ts';
import { EtcdWatchStream } from '../../../src/registry/etcd-watch-stream.ts';

/** The server's side of a stream, in the hands of a test. */
class FakeDuplex implements WatchDuplex {
  readonly written: IWatchRequest[] = [];
  isCancelled = false;
  readonly #listeners = new Map<string, (argument: never) => void>();

  on(event: string, listener: (argument: never) => void): this {
    this.#listeners.set(event, listener);
    return this;
  }
  write(request: IWatchRequest): boolean {
    this.written.push(request);
    return true;
  }
  cancel(): void {
    this.isCancelled = true;
  }
  emit(event: string, argument?: unknown): void {
    this.#listeners.get(event)?.(argument as never);
  }
  send(response: Partial<IWatchResponse>): void {
    const rest = { created: false, canceled: false, compact_revision: '0', cancel_reason: '', events: [] };
    this.emit('data', { ...rest, ...response });
  }
  put(id: string, key: string, value: string): void {
    const kv = { key: Buffer.from(key), value: Buffer.from(value) };
    this.send({ watch_id: id, events: [{ type: 'Put', kv }] as IWatchResponse['events'] });
  }
  /** Keys that have been asked for, and numbers that have been cancelled. */
  get asked(): string[] {
    return this.written.map((request) =>
      'create_request' in request
        ? `${request.create_request?.key}@${request.create_request?.start_revision}`
        : `cancel ${'cancel_request' in request ? request.cancel_request?.watch_id : '?'}`,
    );
  }
}

function setUp(timeoutMs = 10_000) {
  const duplex = new FakeDuplex();
  const told: string[] = [];
  const lost = Promise.withResolvers<GrpcFailure>();
  const stream = new EtcdWatchStream(duplex, timeoutMs, (failure) => {
    told.push('stream lost');
    lost.resolve(failure);
  });
  const watch = (name: string, from = 1n) =>
    stream.watch({ key: Buffer.from(name) }, from, {
      onChange: (changes) => told.push(...changes.map(({ key, value }) => `${name}: ${key}=${value}`)),
      onEnd: (end) => told.push(`${name} ${end.kind === 'refused' ? `refused: ${end.reason}` : end.kind}`),
    });
  return { duplex, stream, told, watch, lost: lost.promise };
}

describe('watches over one stream', () => {
  it('are answered in their order, and get what is theirs', () => {
    const { duplex, stream, told, watch } = setUp();
    watch('a', 5n);
    watch('b', 9_007_199_254_740_993n);
    assert.deepEqual(duplex.asked, ['a@5', 'b@9007199254740993']);
    duplex.send({ watch_id: '7', created: true });
    duplex.send({ watch_id: '3', created: true });
    duplex.put('3', 'k', 'v');
    duplex.put('7', 'l', 'w');
    duplex.send({
      watch_id: '7',
      events: [{ type: 'Delete', kv: { key: Buffer.from('l') } }] as IWatchResponse['events'],
    });
    assert.deepEqual(told, ['b: k=v', 'a: l=w', 'a: l=undefined']);
    stream.close();
  });

  it('that are given up are cancelled, before their answer and after it', () => {
    const { duplex, stream, told, watch } = setUp();
    const [endA, endB] = [watch('a'), watch('b')];
    duplex.send({ watch_id: '0', created: true });
    endA();
    endB();
    assert.deepEqual(duplex.asked.slice(2), ['cancel 0']);
    duplex.send({ watch_id: '1', created: true });
    assert.deepEqual(duplex.asked.slice(2), ['cancel 0', 'cancel 1']);
    duplex.put('0', 'k', 'v');
    duplex.put('1', 'k', 'v');
    duplex.send({ watch_id: '0', canceled: true });
    endA();
    assert.deepEqual(told, []);
    assert.equal(duplex.asked.length, 4);
    stream.close();
  });

  it('end by what the server says', () => {
    const { duplex, stream, told, watch } = setUp();
    for (const name of ['a', 'b', 'c', 'd']) watch(name);
    duplex.send({ watch_id: '0', created: true });
    duplex.send({ watch_id: '0', canceled: true, compact_revision: '42' });
    duplex.send({ watch_id: '-1', created: true, canceled: true, cancel_reason: 'permission denied' });
    duplex.send({ watch_id: '2', created: true });
    duplex.send({ watch_id: '2', canceled: true });
    duplex.send({ watch_id: '3', created: true });
    duplex.put('3', 'k', 'v');
    assert.deepEqual(told, [
      'a compacted',
      'b refused: permission denied',
      'c refused: the server cancelled the watch',
      'd: k=v',
    ]);
    stream.close();
  });

  it('do not mind numbers that nobody knows', () => {
    const { duplex, stream, told } = setUp();
    duplex.put('9', 'k', 'v');
    duplex.send({ watch_id: '9', canceled: true });
    duplex.send({ watch_id: '9', created: true });
    assert.deepEqual([told, duplex.asked], [[], ['cancel 9']]);
    stream.close();
  });

  for (const event of ['error', 'end']) {
    it(`are all lost with it: ${event}`, async () => {
      const { duplex, stream, told, watch, lost } = setUp();
      watch('a');
      watch('b');
      duplex.send({ watch_id: '0', created: true });
      duplex.emit(event, { code: 14, details: 'gone' });
      duplex.emit('error', { code: 1, details: 'cancelled' });
      assert.equal((await lost).code, 14);
      assert.deepEqual(told, ['b lost', 'a lost', 'stream lost']);
      assert.ok(duplex.isCancelled);
      watch('c');
      await undefined;
      assert.deepEqual(told.slice(3), ['c lost']);
      stream.close();
    });
  }

  it('are lost with one that does not answer in time', async () => {
    const { duplex, told, watch, lost } = setUp(1);
    watch('a');
    assert.deepEqual(await lost, { code: 4, details: 'no answer to a watch' });
    assert.deepEqual(told, ['a lost', 'stream lost']);
    assert.ok(duplex.isCancelled);
  });

  it('end in silence where it is closed', () => {
    const { duplex, stream, told, watch } = setUp();
    const end = watch('a');
    duplex.send({ watch_id: '0', created: true });
    watch('b');
    stream.close();
    stream.close();
    end();
    duplex.emit('error', { code: 1, details: 'cancelled' });
    duplex.put('0', 'k', 'v');
    assert.deepEqual(told, []);
    assert.equal(duplex.asked.length, 2);
  });
});
