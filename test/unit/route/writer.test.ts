import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Backend, Source } from '../../../src/backend/backend.ts';
import { describeSource } from '../../../src/backend/backend.ts';
import { parseDescriptor } from '../../../src/backend/parse.ts';
import type { SocketAddress } from '../../../src/core/address.ts';
import { type Endpoint, endpoint, endpointKey } from '../../../src/core/endpoint.ts';
import { AppError } from '../../../src/core/errors.ts';
import { fail, ok, type Result } from '../../../src/core/result.ts';
import type { OnUpdate } from '../../../src/discovery/resolver.ts';
import { type RouteChange, type RouteLookup, RouteTable } from '../../../src/route/table.ts';
import { type HealthSource, RouteWriter, type SourceFollower } from '../../../src/route/writer.ts';
import { RecordingLogger } from '../../support/recording-logger.ts';

/** Discovery on command: `tell` gives an update to whoever follows a source. */
class Sources implements SourceFollower {
  readonly followers = new Map<string, OnUpdate>();
  readonly refused = new Set<Source['kind']>();

  refusal(source: Source): AppError | undefined {
    return this.refused.has(source.kind) ? new AppError('ERR_NOT_IN_BUILD', 'not in this build') : undefined;
  }

  follow(source: Source, onUpdate: OnUpdate): () => void {
    const text = describeSource(source);
    assert.ok(!this.followers.has(text), `${text} is followed twice`);
    this.followers.set(text, onUpdate);
    return () => void this.followers.delete(text);
  }

  tell(text: string, update: Result<readonly Endpoint[]>): void {
    const follower = this.followers.get(text);
    assert.ok(follower !== undefined, `nobody follows ${text}`);
    follower(update);
  }
}

/** Health on command. */
class FakeHealth implements HealthSource {
  readonly down = new Set<string>();
  readonly checks: string[] = [];
  readonly #listeners = new Set<(key: string) => void>();

  isDown(address: SocketAddress): boolean {
    return this.down.has(endpointKey(address));
  }

  check(_owner: string, addresses: readonly SocketAddress[], everyMs: number): void {
    this.checks.push(`${addresses.map(endpointKey).join(' ') || 'none'} every ${everyMs}`);
  }

  subscribe(listener: (key: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  set(endpoint: Endpoint, isDown: boolean): void {
    if (isDown) this.down.add(endpointKey(endpoint));
    else this.down.delete(endpointKey(endpoint));
    for (const listener of this.#listeners) listener(endpointKey(endpoint));
  }

  get listeners(): number {
    return this.#listeners.size;
  }
}

function setUp(allowLocalTargets = false) {
  const health = new FakeHealth();
  const sources = new Sources();
  const table = new RouteTable();
  const logger = new RecordingLogger();
  const changes: RouteChange[] = [];
  table.subscribe((change) => changes.push(change));
  const writer = new RouteWriter({ table, sources, health, logger, allowLocalTargets });
  const caller = (id: string, routes: Record<number, string | AppError>, addresses = [`10.1.0.${id}`]) =>
    writer.applyCaller({
      kind: 'caller',
      caller: {
        id,
        name: `web-${id}`,
        addresses,
        routes: new Map(
          Object.entries(routes).map(([port, text]): [number, Result<Backend>] => [
            Number(port),
            typeof text === 'string' ? parseDescriptor(text) : fail(text),
          ]),
        ),
      },
    });
  return { sources, table, health, logger, writer, changes, caller };
}

const redis = endpoint('10.0.0.1', 6379);
const spare = endpoint('10.0.0.2', 6379);

function endpointsOf(route: RouteLookup): readonly Endpoint[] | string {
  return route.kind === 'found' ? route.backend.endpoints : route.kind;
}

describe('RouteWriter', () => {
  it('leads two callers on one port to their own backends', () => {
    const { caller, sources, table } = setUp();
    caller('1', { 6379: 'a:6379' });
    caller('2', { 6379: 'b:6379' });
    sources.tell('a:6379', ok([redis]));
    sources.tell('b:6379', ok([spare]));
    assert.deepEqual(endpointsOf(table.find('10.1.0.1', 6379)), [redis]);
    assert.deepEqual(endpointsOf(table.find('10.1.0.2', 6379)), [spare]);
    assert.equal(table.find('10.1.0.3', 6379).kind, 'unknown-caller');
  });

  it('follows a backend once for all who name it, until the last of them is gone', () => {
    const { caller, sources, table, writer } = setUp();
    caller('1', { 1: 'a:6379', 2: 'a:6379' });
    caller('2', { 1: 'a:6379' });
    writer.applyCaller({ kind: 'caller-gone', id: '1' });
    assert.equal(sources.followers.size, 1);
    writer.applyCaller({ kind: 'caller-gone', id: '2' });
    assert.equal(sources.followers.size, 0);
    assert.equal(table.backends.size, 0);
  });

  it('keeps the watch of a backend that a caller keeps', () => {
    const { caller, sources, table } = setUp();
    caller('1', { 1: 'a:6379', 2: 'b:6379' });
    sources.tell('a:6379', ok([redis]));
    caller('1', { 1: 'a:6379' });
    assert.deepEqual([...sources.followers.keys()], ['a:6379']);
    assert.deepEqual(endpointsOf(table.find('10.1.0.1', 1)), [redis]);
  });

  it('has a backend in the table before the first route to it and until after the last', () => {
    const { caller, changes, writer } = setUp();
    caller('1', { 1: 'a:6379' });
    writer.applyCaller({ kind: 'caller-gone', id: '1' });
    assert.deepEqual(
      changes.map(({ kind }) => kind),
      ['backend', 'caller', 'caller-gone', 'backend-gone'],
    );
  });

  it('keeps the last endpoints through an error, says so once, and takes an empty answer for empty', () => {
    const { caller, sources, table, logger } = setUp();
    caller('1', { 1: 'a:6379' });
    sources.tell('a:6379', ok([redis]));
    const error = new AppError('ERR_RESOLVE_FAILED', 'no answer from 10.0.0.53');
    sources.tell('a:6379', fail(error));
    sources.tell('a:6379', fail(error));
    const route = table.find('10.1.0.1', 1);
    assert.ok(route.kind === 'found');
    assert.deepEqual(route.backend.endpoints, [redis]);
    assert.equal(route.backend.problem, 'no answer from 10.0.0.53');
    assert.equal(logger.at('warn').length, 1);
    sources.tell('a:6379', ok([]));
    assert.deepEqual(endpointsOf(table.find('10.1.0.1', 1)), []);
  });

  it('calls a backend resolved once its source has spoken, be it an error', () => {
    const { caller, sources, table } = setUp();
    caller('1', { 1: 'a:6379' });
    const resolved = () => {
      const route = table.find('10.1.0.1', 1);
      return route.kind === 'found' && route.backend.isResolved;
    };
    assert.equal(resolved(), false);
    sources.tell('a:6379', fail(new AppError('ERR_RESOLVE_FAILED', 'down')));
    assert.equal(resolved(), true);
  });

  it('leaves the set as it is where an update changes nothing', () => {
    const { caller, sources, table } = setUp();
    caller('1', { 1: 'a:6379' });
    sources.tell('a:6379', ok([redis]));
    const before = endpointsOf(table.find('10.1.0.1', 1));
    sources.tell('a:6379', ok([{ ...redis }]));
    assert.equal(endpointsOf(table.find('10.1.0.1', 1)), before);
  });

  it('leaves out endpoints that would be the ambassador itself, and names them', () => {
    const { caller, sources, table, logger } = setUp();
    caller('1', { 1: 'a:6379' });
    sources.tell(
      'a:6379',
      ok([endpoint('127.0.0.1', 22), endpoint('169.254.169.254', 80), endpoint('0.0.0.0', 1), redis]),
    );
    assert.deepEqual(endpointsOf(table.find('10.1.0.1', 1)), [redis]);
    assert.match(logger.at('warn')[0] ?? '', /refused 127.0.0.1:22, 169.254.169.254:80, 0.0.0.0:1/);
  });

  it('lets the operator allow local targets, but never 0.0.0.0', () => {
    const { caller, sources, table } = setUp(true);
    caller('1', { 1: 'a:6379' });
    const local = endpoint('127.0.0.1', 22);
    sources.tell('a:6379', ok([local, endpoint('0.0.0.0', 1)]));
    assert.deepEqual(endpointsOf(table.find('10.1.0.1', 1)), [local]);
  });

  it('refuses one port for its own error and serves the others', () => {
    const { caller, table } = setUp();
    caller('1', { 1: new AppError('ERR_DESCRIPTOR_SYNTAX', 'column 7'), 2: 'a:6379' });
    const route = table.find('10.1.0.1', 1);
    assert.deepEqual(route.kind === 'refused' && [route.code, route.reason], [
      'ERR_DESCRIPTOR_SYNTAX',
      'column 7',
    ]);
    assert.equal(table.find('10.1.0.1', 2).kind, 'found');
  });

  it('refuses what this build has not', () => {
    const { caller, sources, table, writer } = setUp();
    sources.refused.add('etcd');
    caller('1', { 1: 'etcd://h/p' });
    const route = table.find('10.1.0.1', 1);
    assert.equal(route.kind === 'refused' && route.code, 'ERR_NOT_IN_BUILD');
    const backend = parseDescriptor('etcd://h/p');
    assert.ok(backend.ok);
    assert.throws(() => writer.forwardAll(new Map([[80, backend.value]])), { code: 'ERR_NOT_IN_BUILD' });
  });

  it('marks endpoints that are down, half of a set at most, and none where all are', () => {
    const { caller, sources, table, health } = setUp();
    caller('1', { 1: 'a:6379' });
    const third = endpoint('10.0.0.3', 6379);
    health.set(spare, true);
    sources.tell('a:6379', ok([redis, spare, third]));
    const ejected = () => {
      const route = table.find('10.1.0.1', 1);
      return route.kind === 'found' && route.backend.ejected;
    };
    assert.deepEqual(ejected(), ['10.0.0.2:6379']);
    health.set(third, true);
    assert.deepEqual(ejected(), ['10.0.0.2:6379']);
    health.set(redis, true);
    assert.deepEqual(ejected(), []);
    for (const each of [redis, spare, third]) health.set(each, false);
    assert.deepEqual(ejected(), []);
  });

  it('tells all that are down, however many, and only what is news', () => {
    const { caller, sources, table, health, changes } = setUp();
    caller('1', { 1: 'a:6379' });
    sources.tell('a:6379', ok([redis, spare]));
    const standing = () => {
      const route = table.find('10.1.0.1', 1);
      return route.kind === 'found' ? route.backend : undefined;
    };
    health.set(redis, true);
    assert.deepEqual(standing()?.down, ['10.0.0.1:6379']);
    const { ejected } = standing() ?? {};
    health.set(spare, true);
    assert.deepEqual(standing()?.down, ['10.0.0.1:6379', '10.0.0.2:6379']);
    health.set(spare, false);
    assert.deepEqual(standing()?.ejected, ejected);
    const before = changes.length;
    health.set(spare, false);
    assert.equal(changes.length, before);
    health.set(redis, false);
    assert.deepEqual(standing()?.down, []);
  });

  it('has the endpoints of a backend checked that asks for it, for as long as somebody names it', () => {
    const { caller, sources, health, writer } = setUp();
    caller('1', { 1: 'a:6379?check=5s', 2: 'b:6379' });
    sources.tell('a:6379', ok([redis]));
    sources.tell('a:6379', ok([redis]));
    sources.tell('b:6379', ok([spare]));
    writer.applyCaller({ kind: 'caller-gone', id: '1' });
    assert.deepEqual(health.checks, ['10.0.0.1:6379 every 5000', 'none every 5000']);
    writer.stop();
    assert.equal(health.listeners, 0);
  });

  it('leads every address to the same backends in the static forward, by the port alone', () => {
    const { writer, sources, table } = setUp(true);
    const backend = parseDescriptor('docker://web');
    assert.ok(backend.ok);
    writer.forwardAll(new Map([[8080, backend.value]]));
    sources.tell('docker://web:8080', ok([redis]));
    assert.deepEqual(endpointsOf(table.find('192.0.2.9', 8080)), [redis]);
    assert.equal(table.find('192.0.2.9', 12_345).kind, 'refused');
  });

  it('ends every watch at stop and leaves an empty table', () => {
    const { caller, sources, table, writer } = setUp();
    caller('1', { 1: 'a:6379' });
    caller('2', { 1: 'b:6379' });
    writer.stop();
    writer.stop();
    assert.equal(sources.followers.size, 0);
    assert.deepEqual([table.callers.size, table.backends.size], [0, 0]);
  });
});

describe('RouteTable', () => {
  it('gives an address to whoever came with it last, and does not take it away with the one before', () => {
    const { caller, writer, table } = setUp();
    caller('1', {}, ['10.1.0.9']);
    caller('2', {}, ['10.1.0.9']);
    writer.applyCaller({ kind: 'caller-gone', id: '1' });
    const route = table.find('10.1.0.9', 1);
    assert.equal(route.kind === 'refused' && route.caller.name, 'web-2');
  });

  it('forgets an address that a caller no longer has', () => {
    const { caller, table } = setUp();
    caller('1', {}, ['10.1.0.8', 'fd00::8']);
    caller('1', {}, ['fd00::8']);
    assert.equal(table.find('10.1.0.8', 1).kind, 'unknown-caller');
    assert.equal(table.find('fd00::8', 1).kind, 'refused');
  });

  it('can be copied by its snapshot and kept in step by its changes', () => {
    const { caller, sources, table } = setUp();
    caller('1', { 1: 'a:6379' });
    const copy = new RouteTable();
    for (const change of table.snapshot()) copy.apply(structuredClone(change));
    const unsubscribe = table.subscribe((change) => copy.apply(structuredClone(change)));
    sources.tell('a:6379', ok([redis]));
    caller('2', { 1: 'a:6379' });
    assert.deepEqual(copy.find('10.1.0.2', 1), table.find('10.1.0.2', 1));
    unsubscribe();
    caller('3', {});
    assert.equal(copy.find('10.1.0.3', 1).kind, 'unknown-caller');
  });
});
