import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { getEventListeners, once } from 'node:events';
import { describe, it } from 'node:test';
import type { SocketAddress } from '../../../../src/core/address.ts';
import { DnsClient, type DnsLookup } from '../../../../src/discovery/dns/client.ts';
import { parseResolvConf, type ResolvConf } from '../../../../src/discovery/dns/resolv-conf.ts';
import { a, aaaa, cname, rcode, reply, srv, startDnsServer, zone } from '../../../support/dns-server.ts';
import { resourcesNow } from '../../../support/resources.ts';
import { settle, until } from '../../../support/updates.ts';

const never = new AbortController().signal;

/** A client of the given servers; a server that should answer gets far more time than loopback needs. */
function clientOf(
  servers: readonly { address: SocketAddress }[],
  rest: Partial<ResolvConf> = {},
  options: { maxInFlight?: number; graceMs?: number } = {},
): DnsClient {
  const nameservers = servers.map(({ address }) => address);
  const conf = { ...parseResolvConf(''), nameservers, timeoutMs: 10_000, ...rest };
  return new DnsClient({ config: async () => conf, ...options });
}

const brief = (found: DnsLookup): string =>
  found.kind === 'records' ? found.records.map(({ data }) => data).join(' ') : found.kind;

/** A port of loopback on which nobody listens: one that has just been given back. */
async function deadServer(): Promise<{ address: SocketAddress }> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return { address: { ip: '127.0.0.1', port } };
}

describe('DNS client', () => {
  it('has the records of both types, the least time to live, and who said so', async () => {
    await using server = await startDnsServer(({ name, type }, request) =>
      reply(
        request,
        type === 'A' ? [a(name, '10.0.0.2', 30), a(name, '10.0.0.1', 40)] : [aaaa(name, 'fd00::1', 50)],
      ),
    );
    assert.deepEqual(await clientOf([server]).lookup('db.example', ['A', 'AAAA'], never), {
      kind: 'records',
      records: [
        { type: 'A', data: '10.0.0.2' },
        { type: 'A', data: '10.0.0.1' },
        { type: 'AAAA', data: 'fd00::1' },
      ],
      ttlSeconds: 30,
      server: server.address,
      unknown: [],
    });
    assert.deepEqual(server.asked.toSorted(), ['udp A db.example', 'udp AAAA db.example']);
  });

  it('asks over IPv6', async () => {
    await using server = await startDnsServer(zone({ 'db.example': ['10.0.0.1'] }), '::1');
    assert.equal(brief(await clientOf([server]).lookup('db.example', ['A'], never)), '10.0.0.1');
  });

  it('follows aliases within the answer', async () => {
    await using server = await startDnsServer(({ name }, request) =>
      reply(request, [cname(name, 'real.example'), a('real.example', '10.0.0.1')]),
    );
    assert.equal(brief(await clientOf([server]).lookup('db.example', ['A'], never)), '10.0.0.1');
  });

  it('is content without AAAA', async () => {
    await using server = await startDnsServer(zone({ 'db.example': ['10.0.0.1'] }));
    const found = await clientOf([server]).lookup('db.example', ['A', 'AAAA'], never);
    assert.equal(brief(found), '10.0.0.1');
    assert.deepEqual(found.kind === 'records' && found.unknown, []);
  });

  it('asks over TCP for what does not fit', async () => {
    const many = Array.from({ length: 90 }, (_, index) => `10.0.0.${index + 1}`);
    await using server = await startDnsServer(zone({ 'db.example': many }));
    assert.equal(brief(await clientOf([server]).lookup('db.example', ['A'], never)), many.join(' '));
    assert.deepEqual(server.asked, ['udp A db.example', 'tcp A db.example']);
  });

  it('permits datagrams of 1232 bytes, and asks without that where the server or the way there refuses it', async () => {
    const sizes: number[] = [];
    const size = (request: { additionals: { type: number; class: number }[] }) =>
      request.additionals.find(({ type }) => type === 41)?.class ?? 0;
    for (const refusal of [1, 4, undefined]) {
      sizes.length = 0;
      await using server = await startDnsServer(({ name }, request) => {
        sizes.push(size(request));
        if (size(request) === 0) return reply(request, [a(name, '10.0.0.1')]);
        return refusal === undefined ? undefined : reply(request, [], { rcode: refusal });
      });
      const client = clientOf([server], refusal === undefined ? { timeoutMs: 50 } : { attempts: 1 });
      assert.equal(brief(await client.lookup('db.example', ['A'], never)), '10.0.0.1');
      assert.deepEqual(sizes, [1232, 0]);
    }
  });

  it('tells "there is none" from "nobody could say"', async () => {
    await using server = await startDnsServer(zone({ 'empty.example': [], 'bad.example': 'servfail' }));
    const client = clientOf([server]);
    assert.equal(brief(await client.lookup('gone.example', ['A', 'AAAA'], never)), 'nonexistent');
    assert.equal(brief(await client.lookup('empty.example', ['A', 'AAAA'], never)), 'nonexistent');
    const found = await client.lookup('bad.example', ['A', 'AAAA'], never);
    assert.ok(found.kind === 'failed');
    assert.equal(found.error.code, 'ERR_RESOLVE_FAILED');
    const { ip, port } = server.address;
    assert.equal(found.error.message, `cannot resolve "bad.example" (A): ${ip}:${port}: SERVFAIL`);
  });

  for (const failure of ['servfail', 'refused'] as const) {
    it(`goes on to the next server after ${failure}`, async () => {
      await using bad = await startDnsServer(zone({ 'db.example': failure }));
      await using good = await startDnsServer(zone({ 'db.example': ['10.0.0.1'] }));
      assert.equal(brief(await clientOf([bad, good]).lookup('db.example', ['A'], never)), '10.0.0.1');
    });
  }

  it('goes on to the next server where nobody listens, and where nobody answers', async () => {
    await using silent = await startDnsServer(() => undefined);
    await using good = await startDnsServer(zone({ 'db.example': ['10.0.0.1'] }));
    const quick = { timeoutMs: 50 };
    assert.equal(
      brief(await clientOf([await deadServer(), good]).lookup('db.example', ['A'], never)),
      '10.0.0.1',
    );
    assert.equal(brief(await clientOf([silent, good], quick).lookup('db.example', ['A'], never)), '10.0.0.1');
    assert.equal(silent.asked.length, 1);
  });

  it('does not ask a second server about what the first says does not exist', async () => {
    await using first = await startDnsServer(zone({}));
    await using second = await startDnsServer(zone({ 'db.example': ['10.0.0.1'] }));
    assert.equal(brief(await clientOf([first, second]).lookup('db.example', ['A'], never)), 'nonexistent');
    assert.deepEqual(second.asked, []);
  });

  it('tries as often as it is told, then names each server and its fault', async () => {
    await using silent = await startDnsServer(() => undefined);
    const dead = await deadServer();
    const client = clientOf([silent, dead], { timeoutMs: 30, attempts: 3 });
    const found = await client.lookup('db.example', ['A'], never);
    assert.ok(found.kind === 'failed' && found.isSilent);
    assert.equal(silent.asked.length, 3);
    assert.equal(
      found.error.message,
      `cannot resolve "db.example" (A): 127.0.0.1:${silent.address.port}: no answer within 30 ms; ` +
        `127.0.0.1:${dead.address.port}: nobody listens there (ECONNREFUSED)`,
    );
  });

  it('waits on past answers that do not belong to the question', async () => {
    // The scripted server sends one reply a question; the others go out before it by hand.
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    socket.on('message', (message, from) => {
      const genuine = Buffer.from(message);
      genuine.writeUInt16BE(0x8580, 2);
      const wrongId = Buffer.from(genuine);
      wrongId.writeUInt16BE(genuine.readUInt16BE(0) ^ 1, 0);
      const wrongName = Buffer.from(genuine);
      wrongName.write('x', 13);
      for (const bytes of [Buffer.from('garbage'), wrongId, wrongName, genuine]) {
        socket.send(bytes, from.port, from.address);
      }
    });
    const { address: ip, port } = socket.address();
    const client = clientOf([{ address: { ip, port } }]);
    assert.equal(brief(await client.lookup('db.example', ['A'], never)), 'nonexistent');
    socket.close();
  });

  it('makes an error of an answer that cannot be read, over UDP and over TCP', async () => {
    for (const broken of ['udp', 'tcp'] as const) {
      await using server = await startDnsServer(({ transport, name }, request) => {
        const bytes = reply(request, [a(name, '10.0.0.1')]).toBuffer();
        if (transport === broken) return bytes.subarray(0, -3);
        return reply(request, [], { tc: 1 });
      });
      const found = await clientOf([server], { attempts: 1 }).lookup('db.example', ['A'], never);
      assert.ok(found.kind === 'failed');
      assert.match(found.error.message, /an answer that cannot be read/);
    }
  });

  it('makes an error of a TCP connection that brings nothing', async () => {
    await using server = await startDnsServer(({ transport }, request) =>
      transport === 'tcp' ? undefined : reply(request, [], { tc: 1 }),
    );
    const found = await clientOf([server], { timeoutMs: 50, attempts: 1 }).lookup('db.example', ['A'], never);
    assert.equal(brief(found), 'failed');
    assert.deepEqual(server.asked, ['udp A db.example', 'tcp A db.example']);
  });

  it('makes an error of a name that no question can hold', async () => {
    await using server = await startDnsServer(zone({}));
    const found = await clientOf([server]).lookup(`${'x'.repeat(64)}.example`, ['A'], never);
    assert.equal(brief(found), 'failed');
    assert.deepEqual(server.asked, []);
  });
});

describe('DNS client, SRV', () => {
  const targets = (found: DnsLookup<'SRV'>) =>
    found.kind === 'records' ? found.records.map(({ data }) => data.target).join(' ') : found.kind;

  it('asks over TCP first: a datagram may hold a part of the set without saying so', async () => {
    await using server = await startDnsServer(({ name, transport }, request) =>
      reply(request, transport === 'tcp' ? [srv(name, 'x:1'), srv(name, 'y:1')] : [srv(name, 'x:1')]),
    );
    assert.equal(targets(await clientOf([server]).lookup('db', ['SRV'], never)), 'x y');
    assert.deepEqual(server.asked, ['tcp SRV db']);
  });

  it('asks over UDP where TCP brings nothing, and believes no truncated answer then', async () => {
    for (const [tc, expected] of [
      [0, 'x'],
      [1, 'failed'],
    ] as const) {
      await using server = await startDnsServer(({ name, transport }, request) =>
        transport === 'tcp' ? undefined : reply(request, [srv(name, 'x:1')], { tc }),
      );
      const client = clientOf([server], { timeoutMs: 50, attempts: 1 });
      assert.equal(targets(await client.lookup('db', ['SRV'], never)), expected);
      assert.deepEqual(server.asked, ['tcp SRV db', 'udp SRV db']);
    }
  });

  it('goes on to the next server, and through the search list', async () => {
    await using bad = await startDnsServer(zone({ db: 'servfail', 'db.a.example': 'servfail' }));
    await using good = await startDnsServer(({ name }, request) =>
      name === 'db.a.example'
        ? reply(request, [srv(name, 'x:1')])
        : reply(request, [], { rcode: rcode.nxdomain }),
    );
    const client = clientOf([bad, good], { search: ['a.example'] });
    assert.equal(targets(await client.lookup('db', ['SRV'], never)), 'x');
    assert.equal(targets(await client.lookup('gone', ['SRV'], never)), 'nonexistent');
  });
});

describe('DNS client, one type failing', () => {
  it('counts what the other one says, and says that the rest is unknown', async () => {
    await using server = await startDnsServer(({ name, type }, request) =>
      type === 'A' ? reply(request, [a(name, '10.0.0.1')]) : reply(request, [], { rcode: rcode.servfail }),
    );
    const found = await clientOf([server]).lookup('db.example', ['A', 'AAAA'], never);
    assert.equal(brief(found), '10.0.0.1');
    assert.deepEqual(found.kind === 'records' && found.unknown.map(({ type }) => type), ['AAAA']);
  });

  it('does not wait for a type that nobody answers for', async () => {
    await using server = await startDnsServer(({ name, type }, request) =>
      type === 'A' ? reply(request, [a(name, '10.0.0.1')]) : undefined,
    );
    const client = clientOf([server], { timeoutMs: 3_600_000 }, { graceMs: 20 });
    assert.equal(brief(await client.lookup('db.example', ['A', 'AAAA'], never)), '10.0.0.1');
  });

  it('knows nothing where the other one has no records', async () => {
    await using server = await startDnsServer(({ type }, request) =>
      reply(request, [], type === 'A' ? {} : { rcode: rcode.servfail }),
    );
    assert.equal(brief(await clientOf([server]).lookup('db.example', ['A', 'AAAA'], never)), 'failed');
  });

  it('believes NXDOMAIN of the first type only', async () => {
    for (const [nxdomain, expected] of [
      ['A', 'nonexistent'],
      ['AAAA', 'failed'],
    ] as const) {
      await using server = await startDnsServer(({ type }, request) =>
        reply(request, [], { rcode: type === nxdomain ? rcode.nxdomain : rcode.servfail }),
      );
      assert.equal(brief(await clientOf([server]).lookup('db.example', ['A', 'AAAA'], never)), expected);
    }
  });
});

describe('DNS client, search list', () => {
  const search = ['a.example', 'b.example'];

  it('takes the first name that has records, of any of the types', async () => {
    await using server = await startDnsServer(zone({ 'db.b.example': ['fd00::1'], db: ['10.0.0.1'] }));
    const client = clientOf([server], { search });
    assert.equal(brief(await client.lookup('db', ['A', 'AAAA'], never)), 'fd00::1');
    assert.equal(brief(await client.lookup('db.', ['A', 'AAAA'], never)), '10.0.0.1');
  });

  it('goes past a name that fails, but does not then say that there is none', async () => {
    await using server = await startDnsServer(zone({ 'db.a.example': 'servfail', db: ['10.0.0.1'] }));
    const client = clientOf([server], { search });
    assert.equal(brief(await client.lookup('db', ['A'], never)), '10.0.0.1');
    await using other = await startDnsServer(zone({ 'db.a.example': 'servfail' }));
    assert.equal(brief(await clientOf([other], { search }).lookup('db', ['A'], never)), 'failed');
  });

  it('is not gone through with servers that are silent', async () => {
    await using server = await startDnsServer(() => undefined);
    const client = clientOf([server], { search, timeoutMs: 30, attempts: 1 });
    assert.equal(brief(await client.lookup('db', ['A'], never)), 'failed');
    assert.deepEqual(server.asked, ['udp A db.a.example']);
  });
});

describe('DNS client, bounds', () => {
  it('settles on abort, before and while it waits, and leaves no socket', async () => {
    await using server = await startDnsServer(() => undefined);
    const backToStart = await resourcesNow();
    const client = clientOf([server], { timeoutMs: 3_600_000 });
    assert.equal(brief(await client.lookup('db', ['A'], AbortSignal.abort())), 'failed');
    const end = new AbortController();
    const found = client.lookup('db', ['A', 'AAAA'], end.signal);
    await until(() => server.asked.length === 2, 'both questions have come');
    end.abort();
    assert.equal(brief(await found), 'failed');
    await backToStart();
  });

  it('leaves no connection and no listener, however a look-up over TCP ends', async () => {
    await using server = await startDnsServer(({ transport, name }, request) => {
      if (transport === 'udp') return reply(request, [], { tc: 1 });
      return name === 'silent' ? undefined : reply(request, [a(name, '10.0.0.1')]);
    });
    const client = clientOf([server], { timeoutMs: 3_600_000 });
    const end = new AbortController();
    assert.equal(brief(await client.lookup('db', ['A', 'AAAA'], end.signal)), '10.0.0.1');
    assert.deepEqual(getEventListeners(end.signal, 'abort'), []);
    const found = client.lookup('silent', ['A'], end.signal);
    await until(() => server.asked.includes('tcp A silent'), 'the question has come');
    end.abort();
    assert.equal(brief(await found), 'failed');
    await until(() => server.connected === 0, 'both connections have ended');
  });

  it('has only so many questions open at once, and lets those in line go on', async () => {
    await using server = await startDnsServer(() => undefined);
    const client = clientOf([server], { timeoutMs: 3_600_000 }, { maxInFlight: 2 });
    const ends = Array.from({ length: 5 }, () => new AbortController());
    const found = ends.map(({ signal }, index) => client.lookup(`n${index}`, ['A'], signal));
    await until(() => server.asked.length === 2, 'two questions have come');
    await settle();
    assert.equal(server.asked.length, 2);
    server.script = ({ name }, request) => reply(request, [a(name, '10.0.0.1')]);
    ends[0]?.abort();
    assert.deepEqual((await Promise.all(found.toSpliced(1, 1))).map(brief), [
      'failed',
      '10.0.0.1',
      '10.0.0.1',
      '10.0.0.1',
    ]);
    ends[1]?.abort();
    await found[1];
  });

  it('gives a place in the line up on abort', async () => {
    await using server = await startDnsServer(() => undefined);
    const client = clientOf([server], { timeoutMs: 3_600_000 }, { maxInFlight: 1 });
    const ends = [new AbortController(), new AbortController()];
    const [first, second] = ends.map(({ signal }, index) => client.lookup(`n${index}`, ['A'], signal));
    await until(() => server.asked.length === 1, 'the first question has come');
    ends[1]?.abort();
    assert.equal(brief((await second) as DnsLookup), 'failed');
    ends[0]?.abort();
    await first;
    server.script = zone({ db: ['10.0.0.1'] });
    assert.equal(brief(await client.lookup('db', ['A'], never)), '10.0.0.1');
    assert.deepEqual(server.asked, ['udp A n0', 'udp A db']);
  });
});
