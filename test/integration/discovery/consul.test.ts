import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import type { SourceOf } from '../../../src/backend/backend.ts';
import { type Endpoint, endpointKey } from '../../../src/core/endpoint.ts';
import type { Result } from '../../../src/core/result.ts';
import { ConsulKvResolver } from '../../../src/discovery/consul-kv.ts';
import { ConsulServiceResolver } from '../../../src/discovery/consul-service.ts';
import { followHosts } from '../../../src/discovery/follow-hosts.ts';
import { SkippedValues } from '../../../src/discovery/skipped-values.ts';
import type { BlockingTimes } from '../../../src/registry/blocking-query.ts';
import type { ConsulSettings } from '../../../src/registry/consul.ts';
import { FakeAddresses } from '../../support/fake-addresses.ts';
import { RecordingLogger } from '../../support/recording-logger.ts';
import { Updates } from '../../support/updates.ts';
import { ConsulAgent } from './consul-agent.ts';

interface Server {
  readonly host: string;
  readonly port: number;
}

interface Following {
  readonly settings?: ConsulSettings;
  readonly times?: Partial<BlockingTimes>;
}

/** Follows a source; addresses of the name `db` are known. */
function follow(
  source: SourceOf<'consul' | 'consul-service'>,
  { settings = {}, times = {} }: Following = {},
) {
  const end = new AbortController();
  const updates = new Updates();
  const logger = new RecordingLogger();
  const deps = {
    settings,
    times,
    logger,
    skipped: new SkippedValues(logger),
    followHosts: followHosts({ addresses: new FakeAddresses({ db: ['10.9.9.9'] }), logger }),
  };
  if (source.kind === 'consul') new ConsulKvResolver(deps).watch(source, updates.onUpdate, end.signal);
  else new ConsulServiceResolver(deps).watch(source, updates.onUpdate, end.signal);
  /** Bounded here, so that a test that waits in vain still ends its watch. */
  const next = async (): Promise<Result<readonly Endpoint[]>> => {
    const late = once(AbortSignal.timeout(15_000), 'abort').then(() => assert.fail('no update came'));
    return Promise.race([updates.next(), late]);
  };
  return {
    unread: () => updates.unread,
    logger,
    next,
    text: async () => shown(await next(), endpointKey),
    /**
     * Reads updates until a set looks like that. What an agent is told reaches its catalog in steps, so there may be
     * others in between: 20 at most.
     */
    async reach(wanted: string, show: (one: Endpoint) => string = endpointKey): Promise<void> {
      const seen: string[] = [];
      while (seen.at(-1) !== wanted) {
        assert.ok(seen.length < 20, `never came to be ${wanted}: ${seen.join(' | ')}`);
        seen.push(shown(await next(), show));
      }
    },
    async error(): Promise<string> {
      const update = await next();
      assert.ok(!update.ok, 'expected an error');
      return update.error.message;
    },
    [Symbol.dispose]: () => end.abort(),
  };
}

function shown(update: Result<readonly Endpoint[]>, show: (one: Endpoint) => string): string {
  return update.ok ? update.value.map(show).join(' ') || 'nothing' : update.error.message;
}

function keys({ host, port }: Server, path: string, tags: readonly string[] = []): SourceOf<'consul'> {
  return { kind: 'consul', server: { host, port }, path: `/${path}`, tags };
}

function service(
  { host, port }: Server,
  name: string,
  rest: Partial<SourceOf<'consul-service'>> = {},
): SourceOf<'consul-service'> {
  return { kind: 'consul-service', server: { host, port }, name, tags: [], passing: true, ...rest };
}

describe('consul, real agent', () => {
  let consul: ConsulAgent;
  before(async () => {
    consul = await ConsulAgent.start();
  });
  after(() => consul[Symbol.asyncDispose]());

  it('key-value: the path, its children, their changes, the way back, and nothing', async () => {
    using on = follow(keys(consul, 'life'));
    assert.equal(await on.text(), 'nothing');
    await consul.put('life', '10.0.0.1:80,10.0.0.9:81');
    assert.equal(await on.text(), '10.0.0.1:80 10.0.0.9:81');
    await consul.put('life/b', '10.0.0.2:80');
    assert.equal(await on.text(), '10.0.0.2:80');
    await consul.put('life/a/deep', '10.0.0.3:80');
    assert.equal(await on.text(), '10.0.0.3:80 10.0.0.2:80');
    await consul.put('life/b', '10.0.0.4:80');
    assert.equal(await on.text(), '10.0.0.3:80 10.0.0.4:80');
    await consul.delete('life/', '?recurse');
    assert.equal(await on.text(), '10.0.0.1:80 10.0.0.9:81');
    await consul.delete('life');
    assert.equal(await on.text(), 'nothing');
    assert.deepEqual(on.logger.at('warn'), []);
  });

  it('key-value: /edge is not /edgeways', async () => {
    await consul.put('edge', '10.0.0.1:80');
    await consul.put('edgeways', '10.6.6.6:80');
    await consul.put('edgeways/a', '10.6.6.6:80');
    using on = follow(keys(consul, 'edge'));
    assert.equal(await on.text(), '10.0.0.1:80');
    await consul.put('edge.a', '10.6.6.6:80');
    await consul.put('edge', '10.0.0.2:80');
    assert.equal(await on.text(), '10.0.0.2:80');
  });

  it('key-value: as registrator and embassy write it; folders are nothing, what cannot be read is told', async () => {
    const document = { ipaddress: '10.0.0.3', host: 'node1', host_port: '49161', port: '80', tags: ['prod'] };
    await consul.put('written/', '');
    await consul.put('written/host:web:80', '10.0.0.2:49160');
    await consul.put('written/host:dns:53:udp', '10.0.0.2:53');
    await consul.put('written/id', JSON.stringify(document));
    await consul.put('written/typo', '10.0.0.4');
    using on = follow(keys(consul, 'written'));
    assert.equal(await on.text(), '10.0.0.2:49160 10.0.0.3:49161');
    const [line, ...others] = on.logger.at('warn');
    assert.match(line ?? '', /consul:\/\/.*\/written: "typo" skipped: /);
    assert.deepEqual(others, []);
    using tagged = follow(keys(consul, 'written', ['prod']));
    assert.equal(await tagged.text(), '10.0.0.3:49161');
  });

  it('catalog: an instance comes, turns critical, comes back, and goes', async () => {
    using on = follow(service(consul, 'life'));
    await on.reach('nothing');
    const check = { TTL: '10m', Status: 'passing' };
    await consul.register({ Name: 'life', ID: 'one', Address: '10.0.0.1', Port: 80, Check: check });
    await on.reach('10.0.0.1:80');
    await consul.register({ Name: 'life', ID: 'two', Address: 'db', Port: 81, Tags: ['b'] });
    await on.reach('one:1:0: two:1:0:b', ({ name, weight, priority, tags }) =>
      [name, weight, priority, tags].join(':'),
    );
    await consul.check('one', 'fail');
    await on.reach('10.9.9.9:81');
    await consul.check('one', 'pass');
    await on.reach('10.0.0.1:80 10.9.9.9:81');
    await consul.call('PUT', '/v1/agent/service/maintenance/two?enable=true');
    await on.reach('10.0.0.1:80');
    await consul.deregister('one');
    await on.reach('nothing');
  });

  it('catalog: weights by the state of the checks, and warnings only where they are asked for', async () => {
    const Weights = { Passing: 10, Warning: 0 };
    const check = { TTL: '10m', Status: 'passing' };
    await consul.register({ Name: 'heavy', ID: 'a', Address: '10.0.0.1', Port: 80, Weights, Check: check });
    await consul.register({ Name: 'heavy', ID: 'b', Address: '10.0.0.2', Port: 80, Check: check });
    using strict = follow(service(consul, 'heavy'));
    using lenient = follow(service(consul, 'heavy', { passing: false }));
    const weight = (one: Endpoint) => `${one.name}=${one.weight}`;
    await strict.reach('a=10 b=1', weight);
    await lenient.reach('a=10 b=1', weight);
    await consul.check('a', 'warn');
    await strict.reach('b=1', weight);
    await lenient.reach('a=0 b=1', weight);
    await consul.check('a', 'fail');
    await lenient.reach('b=1', weight);
    assert.equal(strict.unread(), 0);
  });

  it('catalog: every tag is required; the node has the address where the service has none', async () => {
    await consul.register({ Name: 'tagged', ID: 'tagged-a', Port: 80, Tags: ['prod', 'Master'] });
    await consul.register({ Name: 'tagged', ID: 'tagged-b', Port: 81, Tags: ['prod'] });
    await consul.register({ Name: 'tagged', ID: 'tagged-c', Address: '10.0.0.3', Tags: ['prod', 'master'] });
    using both = follow(service(consul, 'tagged', { tags: ['prod', 'master'] }));
    await both.reach('127.0.0.1:80');
    assert.match(both.logger.at('warn')[0] ?? '', /"tagged-c" skipped: it is registered without a port/);
    using one = follow(service(consul, 'tagged', { tags: ['prod'] }));
    await one.reach('127.0.0.1:80 127.0.0.1:81');
  });

  it('catalog: a datacenter that is there, and one that is not', async () => {
    await consul.register({ Name: 'far', ID: 'far', Address: '10.0.0.1', Port: 80 });
    using known = follow(service(consul, 'far', { datacenter: 'dc1' }));
    await known.reach('10.0.0.1:80');
    using unknown = follow(service(consul, 'far', { datacenter: 'atlantis' }));
    assert.match(await unknown.error(), /"far": HTTP 500, No path to datacenter; correct dc=/);
  });
});

describe('consul, outages', () => {
  it('killed and restarted with nothing, at a lower index: the set stays, then the new one is followed', async () => {
    await using consul = await ConsulAgent.start();
    for (let nth = 1; nth <= 60; nth++) await consul.put('noise', `${nth}`);
    await consul.put('web/a', '10.0.0.1:80');
    await consul.register({ Name: 'web', ID: 'web', Address: '10.0.0.1', Port: 80 });
    using key = follow(keys(consul, 'web'));
    using instance = follow(service(consul, 'web'));
    const both = [key, instance];
    for (const on of both) await on.reach('10.0.0.1:80');
    await consul.kill();
    for (const on of both) assert.match(await on.error(), /the connection was cut|nobody listens/);
    await consul.run();
    await consul.put('web/a', '10.0.0.2:80');
    await consul.register({ Name: 'web', ID: 'web', Address: '10.0.0.2', Port: 80 });
    // In between come other reasons of failing, the set from before, and perhaps the empty one of the new agent.
    for (const on of both) await on.reach('10.0.0.2:80');
    await consul.delete('web/a');
    assert.equal(await key.text(), 'nothing');
    await consul.deregister('web');
    await instance.reach('nothing');
    const isBack = (line: string) => line.endsWith('can be read again');
    for (const on of both) assert.equal(on.logger.at('debug').filter(isBack).length, 1);
  });

  it('frozen, its connections open and mute: noticed within a bound, and the set stays until it speaks', async () => {
    await using consul = await ConsulAgent.start();
    await consul.put('web', '10.0.0.1:80');
    const times = { waitMs: 500, marginMs: 1500, answerMs: 2000 };
    using on = follow(keys(consul, 'web'), { times });
    assert.equal(await on.text(), '10.0.0.1:80');
    consul.freeze();
    assert.match(
      await on.error(),
      /no answer within 20\d\d ms; does the agent hang, or are packets to it dropped\?/,
    );
    consul.thaw();
    assert.equal(await on.text(), '10.0.0.1:80');
    await consul.put('web', '10.0.0.2:80');
    assert.equal(await on.text(), '10.0.0.2:80');
    const [failing, back, ...others] = on.logger.at('debug');
    assert.match(failing ?? '', /no answer within/);
    assert.match(back ?? '', /can be read again$/);
    assert.deepEqual(others, []);
  });

  it('down at the start: an error, and the set when it comes', async () => {
    await using consul = await ConsulAgent.start();
    await consul.kill();
    using on = follow(keys(consul, 'web'));
    assert.match(await on.error(), /nobody listens there; is the agent running/);
    await consul.run();
    await consul.put('web', '10.0.0.1:80');
    await on.reach('10.0.0.1:80');
  });
});

describe('consul, with access control', () => {
  const master = '8a6d1a4e-0f0c-4f5b-9c6a-1d2e3f4a5b6c';
  let consul: ConsulAgent;
  before(async () => {
    const hcl = `acl { enabled = true default_policy = "deny" tokens { master = "${master}" agent = "${master}" } }`;
    consul = await ConsulAgent.start({ hcl, token: master });
    await consul.put('web/a', '10.0.0.1:80');
    await consul.register({ Name: 'web', ID: 'web', Address: '10.0.0.1', Port: 80 });
  });
  after(() => consul[Symbol.asyncDispose]());

  /** A token for what the rules allow. */
  async function tokenFor(name: string, rules: string): Promise<{ id: string; token: string }> {
    await consul.call('PUT', '/v1/acl/policy', JSON.stringify({ Name: name, Rules: rules }));
    const body = JSON.stringify({ Policies: [{ Name: name }] });
    const made = JSON.parse(await consul.call('PUT', '/v1/acl/token', body)) as Record<string, string>;
    return { id: made.AccessorID ?? '', token: made.SecretID ?? '' };
  }

  it('a token that may read sees the set; without one it is an error, not an empty set', async () => {
    const { token } = await tokenFor('reader', 'key_prefix "web/" { policy = "read" }');
    using reader = follow(keys(consul, 'web'), { settings: { token } });
    assert.equal(await reader.text(), '10.0.0.1:80');
    using empty = follow(keys(consul, 'web/none'), { settings: { token } });
    assert.equal(await empty.text(), 'nothing');
    using nobody = follow(keys(consul, 'web'));
    assert.match(await nobody.error(), /HTTP 403, Permission denied; give a token .*CONSUL_HTTP_TOKEN/);
  });

  it('a token that is withdrawn empties nothing', async () => {
    const rules =
      'key_prefix "web" { policy = "read" } service "web" { policy = "read" } node_prefix "" { policy = "read" }';
    const { id, token } = await tokenFor('passing-by', rules);
    using key = follow(keys(consul, 'web'), { settings: { token } });
    using instance = follow(service(consul, 'web'), { settings: { token } });
    for (const on of [key, instance]) await on.reach('10.0.0.1:80');
    await consul.call('DELETE', `/v1/acl/token/${id}`);
    await consul.put('web/b', '10.0.0.2:80');
    await consul.register({ Name: 'web', ID: 'two', Address: '10.0.0.2', Port: 80 });
    for (const on of [key, instance]) assert.match(await on.error(), /HTTP 403, ACL not found/);
  });
});
