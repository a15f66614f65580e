/** Entries in a real etcd: on one lease, through every way in which lease, keys or server can be lost. */
import assert from 'node:assert/strict';
import { after, afterEach, describe, it } from 'node:test';
import { EtcdKeeper, type EtcdKeeperOptions } from '../../../src/registration/etcd-keeper.ts';
import { EtcdConnections } from '../../../src/registry/etcd.ts';
import type { EtcdSettings } from '../../../src/registry/etcd-settings.ts';
import { until } from '../../e2e/until.ts';
import { RecordingLogger } from '../../support/recording-logger.ts';
import { resourcesNow } from '../../support/resources.ts';
import { EtcdServer } from '../discovery/etcd-server.ts';

const server = await EtcdServer.start();
after(() => server[Symbol.asyncDispose]());
afterEach(() => server.ctl('del', '--prefix', '/'));

const key = '/services/web/web-1';
const ours = '{"port":80,"host":"10.0.0.1"}';

interface Options extends Partial<EtcdKeeperOptions> {
  readonly settings?: EtcdSettings;
  readonly on?: EtcdServer;
}

async function keeping({ settings = {}, on = server, ...rest }: Options = {}) {
  const logger = new RecordingLogger();
  const connections = new EtcdConnections({ settings, logger });
  const keeper = new EtcdKeeper({ connections, servers: [on], logger, ttlS: 3, ...rest });
  await keeper.start();
  return {
    keeper,
    logger,
    hold: (entries: Readonly<Record<string, string>>) => keeper.hold(new Map(Object.entries(entries))),
    stop: () => keeper.stop(5000),
    [Symbol.asyncDispose]: () => keeper.stop(0),
  };
}

const textAt = (name: string, on = server) => on.ctl('get', '--print-value-only', '--', name);
const leases = async (on = server) =>
  (await on.ctl('lease', 'list'))
    .split('\n')
    .slice(1)
    .map((id) => BigInt(`0x${id}`).toString(16));
/** Not by JSON, whose numbers are too short for a lease. */
const field = async (name: string, key: string): Promise<bigint> => {
  const fields = await server.ctl('get', '-w', 'fields', '--', key);
  return BigInt(new RegExp(`^"${name}" : (\\d+)$`, 'm').exec(fields)?.[1] ?? 0);
};
/** In hexadecimal digits; `0`: none. */
const leaseOf = async (key: string) => (await field('Lease', key)).toString(16);
const revisionOf = (key: string) => field('ModRevision', key);

function holds(name: string, value: string, on = server): Promise<true> {
  const look = async () => ((await textAt(name, on)) === value ? true : undefined);
  return until(`${name} to be ${value || 'gone'}`, look, { withinMs: 30_000 });
}

describe('entries in etcd', () => {
  it('are on one lease that is kept alive, and gone with it at the end', async () => {
    // etcd has one to itself.
    const before = await server.connections();
    const backToStart = await resourcesNow();
    await using on = await keeping({ ttlS: 1 });
    const { keeper, stop, logger } = on;
    on.hold({ [key]: ours, '/apps/a.example/1': '10.0.0.1:80' });
    await holds(key, ours);
    await holds('/apps/a.example/1', '10.0.0.1:80');
    const [lease, ...others] = await leases();
    assert.deepEqual(others, []);
    assert.equal(await leaseOf(key), lease);
    assert.deepEqual(keeper.state, { isConnected: true, wanted: 2, written: 2 });
    // A lease without a sign of life, twice as long as ours, is over first.
    const revision = await revisionOf(key);
    const witness = /lease (\w+) granted/.exec(await server.ctl('lease', 'grant', '2'))?.[1] ?? '';
    await server.ctl('put', '--lease', witness, '/witness', 'x');
    await holds('/witness', '');
    assert.equal(await textAt(key), ours);
    assert.equal(await revisionOf(key), revision);
    await stop();
    assert.equal(await server.ctl('get', '--prefix', '/'), '');
    assert.deepEqual(await leases(), []);
    assert.match(logger.at('info').at(-1) ?? '', /what was registered is removed \(2\)/);
    await backToStart();
    const isClosed = async () => (await server.connections()) <= before || undefined;
    await until('the connection to be closed', isClosed);
  });

  it('change, come and go at any time', async () => {
    await using on = await keeping();
    on.hold({ [key]: ours });
    await holds(key, ours);
    on.hold({ [key]: '{"port":81,"host":"10.0.0.1"}', '/b': 'x' });
    await holds('/b', 'x');
    assert.equal(await textAt(key), '{"port":81,"host":"10.0.0.1"}');
    on.hold({ '/b': 'x' });
    await holds(key, '');
    on.hold({});
    on.hold({ '/b': 'y' });
    await holds('/b', 'y');
    await on.stop();
    assert.deepEqual(await leases(), []);
  });

  it('that are five hundred are written, and removed at once', async () => {
    await using on = await keeping();
    const entries = Object.fromEntries(
      Array.from({ length: 500 }, (_, n) => [`/many/${n}`, `10.0.0.1:${n + 1}`]),
    );
    on.hold(entries);
    await until('all to be written', () => on.keeper.state.written === 500 || undefined);
    assert.equal(
      (await server.ctl('get', '--prefix', '--keys-only', '/many/')).match(/\/many/g)?.length,
      500,
    );
    await on.stop();
    assert.equal(await server.ctl('get', '--prefix', '/many/'), '');
  });

  it("leave somebody else's value alone, say so once, and follow when it is gone", async () => {
    await server.put(key, 'by hand');
    await using on = await keeping();
    on.hold({ [key]: ours, '/b': 'x' });
    await holds('/b', 'x');
    const { message } = await on.logger.line(({ level }) => level === 'warn');
    assert.match(
      message,
      /^etcd \/services\/web\/web-1: not registered: somebody else's value is there .*"by hand"/,
    );
    assert.deepEqual(on.keeper.state, { isConnected: true, wanted: 2, written: 1 });
    await server.remove(key);
    await holds(key, ours);
    assert.equal(on.logger.at('warn').length, 1);
    await server.put(key, 'by hand again');
    await on.stop();
    assert.equal(await textAt(key), 'by hand again');
  });

  it('take over what an earlier run that was killed has left, without a gap', async () => {
    const left = /lease (\w+) granted/.exec(await server.ctl('lease', 'grant', '60'))?.[1] ?? '';
    await server.ctl('put', '--lease', left, key, ours);
    await using on = await keeping();
    on.hold({ [key]: ours });
    await on.logger.line(({ message }) => message.includes('registered'));
    assert.notEqual(await leaseOf(key), left);
    await server.ctl('lease', 'revoke', left);
    assert.equal(await textAt(key), ours);
  });

  it('that are removed or replaced by hand are put right where that is ours to do', async () => {
    await using on = await keeping({ checkMs: 100 });
    on.hold({ [key]: ours, '/b': 'x' });
    await holds('/b', 'x');
    await server.remove(key);
    await holds(key, ours);
    await on.logger.line(({ message }) => /web-1: somebody has removed or replaced it/.test(message));
    await server.put('/b', 'replaced');
    await on.logger.line(({ message }) => /\/b: not registered: somebody else's/.test(message));
    assert.equal(await textAt('/b'), 'replaced');
  });

  it('are written again by an etcd that comes back empty', async () => {
    await using on = await keeping();
    on.hold({ [key]: ours });
    await holds(key, ours);
    await server.kill();
    await server.wipe();
    await on.logger.line(({ message }) => /what was registered|the sets|tried again until/.test(message));
    await server.run();
    await holds(key, ours);
    assert.equal((await leases()).length, 1);
  });

  it('outlive an etcd that comes back with its data', async () => {
    await using on = await keeping({ ttlS: 30 });
    on.hold({ [key]: ours });
    await holds(key, ours);
    const lease = await leaseOf(key);
    await server.kill();
    await server.run();
    on.hold({ [key]: ours, '/b': 'x' });
    await holds('/b', 'x');
    assert.equal(await leaseOf(key), lease);
    assert.equal(await leaseOf('/b'), lease);
  });

  it('are written again after a silence that was longer than the lease', async () => {
    await using on = await keeping({ ttlS: 1, settings: { timeoutMs: 300 } });
    on.hold({ [key]: ours });
    await holds(key, ours);
    const lease = await leaseOf(key);
    // Revoked behind its back: what an expiry is, at a moment of our choice.
    await server.ctl('lease', 'revoke', lease);
    await holds(key, ours);
    await on.logger.line(({ message }) => /the lease was over; writing again \(1\)/.test(message));
    server.freeze();
    await on.logger.line(({ level, message }) => level === 'warn' && /no answer in time/.test(message));
    server.thaw();
    await on.logger.line(({ message }) => /answers again/.test(message));
    await holds(key, ours);
  });

  it('wait for an etcd that is not there yet; stop does not', async () => {
    const later = await EtcdServer.start();
    try {
      await later.kill();
      const backToStart = await resourcesNow();
      const gone = await keeping({ on: later });
      gone.hold({ [key]: ours });
      await gone.logger.line(({ message }) => /cannot be reached/.test(message));
      await gone.stop();
      await backToStart();
      await using on = await keeping({ on: later });
      on.hold({ [key]: ours });
      await later.run();
      await holds(key, ours, later);
      await later.kill();
      await on.stop();
      assert.match(
        on.logger.at('warn').at(-1) ?? '',
        /could not be told; what is registered \(1\) ends within 3 s/,
      );
    } finally {
      await later[Symbol.asyncDispose]();
    }
  });
});

describe('entries of a user', () => {
  it('that the user may not write are told once, the others are written', async () => {
    await using secure = await EtcdServer.start();
    for (const line of [
      'user add root:secret',
      'user grant-role root root',
      'user add nuncio:pw',
      'role add registrar',
      'role grant-permission registrar readwrite --prefix=true /services/',
      'user grant-role nuncio registrar',
    ]) {
      await secure.ctl(...line.split(' ')).catch((thrown: unknown) => {
        // The role root is there already in some versions.
        if (!/already/.test(String(thrown))) throw thrown;
      });
    }
    await secure.ctl('auth', 'enable');
    await using on = await keeping({ on: secure, settings: { user: { name: 'nuncio', password: 'pw' } } });
    on.hold({ '/elsewhere/a': 'x', [key]: ours });
    await on.logger.line(({ message }) => message.includes(`${key}: registered`));
    const denied = await on.logger.line(({ message }) => message.includes('/elsewhere/a: not registered'));
    assert.match(denied.message, /permission denied .*; grant the user .*\(to register: readwrite\)/);
    assert.deepEqual(on.keeper.state, { isConnected: true, wanted: 2, written: 1 });
    await on.stop();
    assert.equal(await secure.ctl('--user', 'root:secret', 'get', '--prefix', '/'), '');
  });
});
