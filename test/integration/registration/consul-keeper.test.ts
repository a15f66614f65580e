/** Entries in a real Consul agent: registered, checked, put right, and gone at the end. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { after, afterEach, describe, it } from 'node:test';
import {
  type ConsulEntry,
  ConsulKeeper,
  type ConsulKeeperOptions,
} from '../../../src/registration/consul-keeper.ts';
import { ConsulAgentServices } from '../../../src/registry/consul-agent.ts';
import { until } from '../../e2e/until.ts';
import { RecordingLogger } from '../../support/recording-logger.ts';
import { resourcesNow } from '../../support/resources.ts';
import { ConsulAgent } from '../discovery/consul-agent.ts';

const consul = await ConsulAgent.start();
after(() => consul[Symbol.asyncDispose]());

async function keeping(rest: Partial<ConsulKeeperOptions> = {}, to: ConsulAgent = consul) {
  const logger = new RecordingLogger();
  const client = new ConsulAgentServices(to, {});
  const keeper = new ConsulKeeper({ client, host: '10.0.0.5', logger, ...rest });
  await keeper.start();
  return {
    keeper,
    logger,
    hold: (entries: Readonly<Record<string, ConsulEntry>>) => keeper.hold(new Map(Object.entries(entries))),
    stop: () => keeper.stop(5000),
    [Symbol.asyncDispose]: () => keeper.stop(5000),
  };
}

function entry(port: number, name = 'blog.example.com'): ConsulEntry {
  const times = { interval: '1s', timeout: '1s', deregistercriticalserviceafter: '1m' };
  return {
    service: { name, tags: ['nuncio-app'], address: '127.0.0.1', port },
    check: { ...times, status: 'passing', tcp: `127.0.0.1:${port}` },
  };
}

type Services = Readonly<Record<string, { Service: string; Port: number; Meta: object; Tags: string[] }>>;
const services = async (): Promise<Services> => JSON.parse(await consul.call('GET', '/v1/agent/services'));
const ids = async () => Object.keys(await services()).toSorted();

function has(...wanted: readonly string[]): Promise<true> {
  const look = async () => (await ids()).join() === wanted.toSorted().join() || undefined;
  return until(`the agent to have ${wanted.join(', ') || 'nothing'}`, look, { withinMs: 30_000 });
}

afterEach(async () => {
  for (const id of await ids()) await consul.deregister(encodeURIComponent(id));
});

const id = 'nuncio:10.0.0.5:0123456789ab:*.example.com:nuncio-service=80';

describe('entries in Consul', () => {
  it('are services with a check, and gone at the end', async () => {
    const backToStart = await resourcesNow();
    const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const on = await keeping();
    on.hold({ [id]: entry(port), other: entry(port, 'other') });
    await has(id, 'other');
    const written = (await services())[id];
    assert.deepEqual(
      [written?.Service, written?.Port, written?.Tags],
      ['blog.example.com', port, ['nuncio-app']],
    );
    assert.deepEqual(written?.Meta, { 'nuncio-host': '10.0.0.5' });
    assert.deepEqual(on.keeper.state, { isConnected: true, wanted: 2, written: 2 });
    const health = async () =>
      JSON.parse(await consul.call('GET', '/v1/health/service/other?passing')).length as number;
    assert.equal(await health(), 1);
    server.close();
    await until('the check to fail', async () => (await health()) === 0 || undefined);
    on.hold({ [id]: entry(port) });
    await has(id);
    await on.stop();
    await has();
    assert.match(on.logger.at('info').at(-1) ?? '', /what was registered is removed \(1\)/);
    await backToStart();
  });

  it('are compared with what is wanted, and those of others are left alone', async () => {
    await consul.register({ ID: 'foreign', Name: 'foreign', Port: 1 });
    await consul.register({ ID: 'neighbour', Name: 'x', Port: 2, Meta: { 'nuncio-host': '10.0.0.6' } });
    await consul.register({ ID: 'stale', Name: 'x', Port: 3, Meta: { 'nuncio-host': '10.0.0.5' } });
    await using on = await keeping({ checkMs: 100 });
    on.hold({ [id]: entry(1) });
    await has('foreign', 'neighbour', id);
    await consul.deregister(encodeURIComponent(id));
    await has('foreign', 'neighbour', id);
    await consul.register({ ID: id, Name: 'changed', Port: 9, Meta: { 'nuncio-host': '10.0.0.5' } });
    await until('it to be put right', async () => (await services())[id]?.Port === 1 || undefined);
    await on.stop();
    await has('foreign', 'neighbour');
  });

  it('are registered again with an agent that comes back with nothing', async () => {
    await using on = await keeping({ checkMs: 100 });
    on.hold({ [id]: entry(1) });
    await has(id);
    await consul.kill();
    await on.logger.line(({ level }) => level === 'warn');
    assert.equal(on.keeper.state.isConnected, false);
    await consul.run();
    await has(id);
    await on.logger.line(({ message }) => /answers again/.test(message));
    assert.equal(on.logger.at('warn').length, 1);
  });

  it('that the agent refuses are told once; the others are registered', async () => {
    await using on = await keeping({ checkMs: 50 });
    const bad: ConsulEntry = { ...entry(1), check: { ...entry(1).check, interval: 'often' } };
    on.hold({ bad, [id]: entry(1) });
    await has(id);
    await on.logger.line(
      ({ level, message }) => level === 'warn' && /registering "bad": HTTP 400/.test(message),
    );
    on.hold({ bad, [id]: entry(2) });
    await until('the next round', async () => (await services())[id]?.Port === 2 || undefined);
    assert.equal(on.logger.at('warn').length, 1);
  });

  it('wait for an agent that is not there; stop does not', async () => {
    const backToStart = await resourcesNow();
    const later = await ConsulAgent.start();
    await later.kill();
    const on = await keeping({}, later);
    on.hold({ [id]: entry(1) });
    await on.logger.line(({ message }) => /nobody listens there/.test(message));
    await on.stop();
    await backToStart();
  });
});
