import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { AppError } from '../../../src/core/errors.ts';
import type { BlockingQuery } from '../../../src/registry/blocking-query.ts';
import { ConsulClient, type ConsulSettings } from '../../../src/registry/consul.ts';
import { type ConsulReply, FakeConsul, keyValues } from '../../support/fake-consul.ts';
import { resourcesNow } from '../../support/resources.ts';
import { until } from '../../support/updates.ts';

const never = new AbortController().signal;
const now: BlockingQuery = { index: 0, waitMs: 60_000, timeoutMs: 10_000 };
const open: BlockingQuery = { ...now, index: 41 };

/** A client of a server that answers every question alike, or each in turn. */
async function clientOf(
  replies: ConsulReply | readonly ConsulReply[],
  settings: ConsulSettings = {},
  ip?: string,
) {
  const list = Array.isArray(replies) ? replies : [replies];
  const server = await FakeConsul.start((_asked, nth) => list[Math.min(nth, list.length - 1)] ?? 'hang', ip);
  const client = new ConsulClient(server.address, settings);
  return {
    server,
    client,
    async [Symbol.asyncDispose]() {
      client.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

async function failureOf(call: Promise<unknown>): Promise<string> {
  const thrown = await call.then(
    () => assert.fail('it did not fail'),
    (reason: unknown) => reason,
  );
  assert.ok(thrown instanceof AppError, String(thrown));
  assert.equal(thrown.code, 'ERR_RESOLVE_FAILED');
  return thrown.message;
}

describe('ConsulClient.tree', () => {
  it('has the path and what is below it, and no neighbour', async () => {
    const json = keyValues({ foo: 'a', 'foo/': '', 'foo/x/y': 'b', foobar: 'c', 'foo.': 'd' });
    await using on = await clientOf({ index: 42, json });
    const answer = await on.client.tree('foo', open, never);
    assert.equal(answer.index, 42);
    assert.deepEqual(answer.value, [
      { key: 'foo', value: 'a' },
      { key: 'foo/', value: '' },
      { key: 'foo/x/y', value: 'b' },
    ]);
  });

  it('asks one blocking question, over one connection that is kept', async () => {
    await using on = await clientOf({ index: 42, json: keyValues({ 'a b/ü': '1' }) });
    await on.client.tree('a b/ü', now, never);
    await on.client.tree('a b/ü', open, never);
    const [first, second] = on.server.asked;
    assert.deepEqual(first?.query, new Map([['recurse', 'true']]));
    assert.deepEqual(
      second?.query,
      new Map([
        ['recurse', 'true'],
        ['index', '41'],
        ['wait', '60000ms'],
      ]),
    );
    assert.equal(decodeURIComponent(second?.path ?? ''), '/v1/kv/a b/ü');
    assert.equal(first?.clientPort, second?.clientPort);
    assert.equal(await on.server.connections(), 1);
  });

  it('knows an absent key from an absent Consul: both are 404, one has an index', async () => {
    await using absent = await clientOf({ status: 404, index: 7 });
    assert.deepEqual(await absent.client.tree('foo', now, never), { index: 7, value: [] });
    await using other = await clientOf({ status: 404, text: 'nginx' });
    assert.match(await failureOf(other.client.tree('foo', now, never)), /HTTP 404\) with no X-Consul-Index/);
  });

  it('does not take a list that was emptied by a lost token for an empty one', async () => {
    const refused: ConsulReply = { status: 403, text: 'Permission denied' };
    await using on = await clientOf([{ status: 404, index: 7 }, refused, refused]);
    const message = await failureOf(on.client.tree('foo', now, never));
    assert.match(
      message,
      /reading the key "foo": HTTP 403, Permission denied; give a token .*CONSUL_HTTP_TOKEN/,
    );
    assert.deepEqual(
      on.server.asked.map(({ path }) => decodeURIComponent(path)),
      ['/v1/kv/foo', '/v1/kv/foo/', '/v1/kv/foo'],
    );
  });

  it('believes an empty list where the token may read only the key, or only what is below', async () => {
    const absent: ConsulReply = { status: 404, index: 7 };
    await using below = await clientOf([absent, absent]);
    assert.deepEqual((await below.client.tree('foo', now, never)).value, []);
    await using key = await clientOf([absent, { status: 403, text: 'Permission denied' }, absent]);
    assert.deepEqual((await key.client.tree('foo', now, never)).value, []);
  });

  for (const [what, reply, pattern] of [
    ['no JSON', { index: 1, text: '[{' }, /cannot be read/],
    ['a list of null', { index: 1, json: [null] }, /cannot be read .*a list of other than objects/],
    ['entries that hide what they are', { index: 1, json: [{ hasOwnProperty: 1 }] }, /cannot be read/],
    ['an object', { index: 1, json: {} }, /expected a JSON list/],
    ['nothing', { index: 1 }, /expected a JSON list/],
    ['entries without a key', { index: 1, json: [{ Value: 'eA==' }] }, /an entry is no key with a value/],
    ['a value that is no text', { index: 1, json: [{ Key: 'foo', Value: 3 }] }, /no key with a value/],
    ['an index that is no number', { index: '12x', json: [] }, /X-Consul-Index "12x"/],
    ['an answer cut in its middle', 'cut', /the connection was cut/],
    [
      'HTTP 429',
      { status: 429, text: 'too many' },
      /HTTP 429, too many; raise limits\.http_max_conns_per_client/,
    ],
    ['no leader', { status: 500, text: 'No cluster leader' }, /HTTP 500, No cluster leader; its servers/],
    [
      'TLS spoken there',
      { status: 400, text: 'Client sent an HTTP request to an HTTPS server.' },
      /set CONSUL_HTTP_SSL=true/,
    ],
  ] as const satisfies readonly (readonly [string, ConsulReply, RegExp])[]) {
    it(`says where, what and why: ${what}`, async () => {
      await using on = await clientOf(reply);
      const message = await failureOf(on.client.tree('foo', now, never));
      assert.match(message, pattern);
      assert.ok(message.startsWith(`consul at ${on.client.where}, reading the keys at "foo": `), message);
    });
  }
});

describe('ConsulClient.instances', () => {
  it('asks for all of a service, in a datacenter where one is named', async () => {
    await using on = await clientOf({ index: 42, json: [{ Service: {} }] });
    assert.deepEqual(await on.client.instances('web', undefined, now, never), {
      index: 42,
      value: [{ Service: {} }],
    });
    await on.client.instances('web', 'east', now, never);
    const [first, second] = on.server.asked;
    assert.equal(first?.path, '/v1/health/service/web');
    assert.deepEqual(first?.query, new Map());
    assert.deepEqual(second?.query, new Map([['dc', 'east']]));
  });

  it('takes 404 for a failure: an absent service is an empty list', async () => {
    await using on = await clientOf({ status: 404, index: 3 });
    assert.match(await failureOf(on.client.instances('web', undefined, now, never)), /HTTP 404/);
    await using dc = await clientOf({ status: 500, text: 'No path to datacenter' });
    assert.match(await failureOf(dc.client.instances('web', 'x', now, never)), /correct dc=/);
  });
});

describe('ConsulClient', () => {
  it('sends its token and its user', async () => {
    const json = keyValues({ foo: 'a' });
    await using on = await clientOf({ index: 1, json }, { token: 'secret', auth: 'us:er:pass' });
    await on.client.tree('foo', now, never);
    const [asked] = on.server.asked;
    assert.equal(asked?.headers['x-consul-token'], 'secret');
    assert.equal(asked?.headers.authorization, `Basic ${Buffer.from('us:er:pass').toString('base64')}`);
  });

  it('reaches an IPv6 address', async () => {
    await using on = await clientOf({ index: 1, json: keyValues({ foo: 'a' }) }, {}, '::1');
    assert.equal((await on.client.tree('foo', now, never)).value.length, 1);
    assert.equal(on.server.asked[0]?.headers.host, on.client.where);
  });

  it('says that nobody listens', async () => {
    await using on = await clientOf('hang');
    await on.server[Symbol.asyncDispose]();
    const message = await failureOf(on.client.tree('foo', now, never));
    assert.match(message, /nobody listens there; is the agent running, on that address\? \(ECONNREFUSED\)/);
  });

  it('gives up after its time, and when it is told to', async () => {
    await using on = await clientOf('hang');
    const late = await failureOf(on.client.tree('foo', { ...now, timeoutMs: 30 }, never));
    assert.match(late, /no answer within 30 ms/);
    const end = new AbortController();
    const call = failureOf(on.client.tree('foo', open, end.signal));
    await until(() => on.server.asked.length === 2, 'the second question arrives');
    end.abort();
    await call;
    await failureOf(on.client.tree('foo', open, AbortSignal.abort()));
    assert.equal(on.server.asked.length, 2);
  });

  it('leaves nothing open when it is closed', async () => {
    const backToStart = await resourcesNow();
    {
      await using on = await clientOf({ index: 1, json: keyValues({ foo: 'a' }) });
      await on.client.tree('foo', now, never);
      on.client.close();
      on.client.close();
    }
    await backToStart();
  });

  it('has the kernel probe the connection while a question is held open', async () => {
    await using on = await clientOf('hang');
    const call = failureOf(on.client.tree('foo', open, never));
    await until(() => on.server.asked.length === 1, 'the question arrives');
    // Until the question's last packet is acknowledged, the connection's timer is that of its repetition.
    const port = on.server.asked[0]?.clientPort ?? 0;
    const { port: remotePort } = on.server.address;
    await until(
      async () => (await timerOf(port, remotePort)) === 'keepalive',
      'the kernel probes the connection',
    );
    on.client.close();
    await call;
  });
});

/**
 * Which timer runs on a connection; the column "tr" of /proc/net/tcp (man 5 proc_pid_net). By both ports: other connections
 * may have either of them, and one that was closed a minute ago still has a line.
 */
async function timerOf(localPort: number, remotePort: number): Promise<string> {
  const end = (port: number) => `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  for (const line of (await readFile('/proc/net/tcp', 'utf8')).split('\n')) {
    const [, local = '', remote = '', , , timer = ''] = line.trim().split(/\s+/);
    if (local.endsWith(end(localPort)) && remote.endsWith(end(remotePort))) {
      return timer.startsWith('02:') ? 'keepalive' : timer;
    }
  }
  return 'no such connection';
}
