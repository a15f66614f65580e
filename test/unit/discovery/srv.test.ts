import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { endpointKey } from '../../../src/core/endpoint.ts';
import { HostAddresses } from '../../../src/discovery/dns/addresses.ts';
import { DnsClient } from '../../../src/discovery/dns/client.ts';
import { parseResolvConf } from '../../../src/discovery/dns/resolv-conf.ts';
import { followHosts } from '../../../src/discovery/follow-hosts.ts';
import { SrvResolver } from '../../../src/discovery/srv.ts';
import { a, aaaa, cname, rcode, reply, type Script, srv, startDnsServer } from '../../support/dns-server.ts';
import { FakeSleep } from '../../support/fake-sleep.ts';
import { RecordingLogger } from '../../support/recording-logger.ts';
import { settle, Updates } from '../../support/updates.ts';

const service = 'redis.service.consul';

/** A watch of the service through a real DNS server on loopback, with time in the test's hands. */
async function bench(script: Script) {
  const server = await startDnsServer(script);
  const conf = {
    ...parseResolvConf('search example'),
    nameservers: [server.address],
    timeoutMs: 10_000,
    attempts: 1,
  };
  const client = new DnsClient({ config: async () => conf });
  const addresses = new HostAddresses({ client, hosts: async () => new Map() });
  const log = new RecordingLogger();
  const time = new FakeSleep();
  const end = new AbortController();
  const updates = new Updates();
  const follow = followHosts({ addresses, logger: log, sleep: time.sleep });
  const resolver = new SrvResolver({ client, followHosts: follow, logger: log, sleep: time.sleep });
  resolver.watch({ kind: 'srv', name: service }, updates.onUpdate, end.signal);
  return {
    server,
    log,
    time,
    updates,
    async [Symbol.asyncDispose]() {
      end.abort();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** Answers the questions for the service as the test says; other names are as in `hosts`. */
function serving(
  answer: (request: Parameters<Script>[1]) => ReturnType<Script>,
  hosts: Readonly<Record<string, string>> = {},
): Script {
  return ({ name, type }, request) => {
    if (type === 'SRV') return name === service ? answer(request) : reply(request, [], { rcode: 3 });
    const ip = hosts[name];
    if (ip === undefined) return reply(request, [], { rcode: rcode.nxdomain });
    return reply(request, type === 'A' ? [a(name, ip, 50)] : []);
  };
}

describe('SRV', () => {
  it('gives priority, weight, port and the target’s addresses in the answer itself', async () => {
    await using on = await bench(
      serving((request) =>
        reply(
          request,
          [
            srv(service, 'b.addr:6380', { priority: 2, weight: 5 }),
            srv(service, 'a.addr:6379', { priority: 1, weight: 20 }),
          ],
          {},
          [a('b.addr', '10.0.0.2'), aaaa('a.addr', 'fd00::1'), a('a.addr', '10.0.0.1')],
        ),
      ),
    );
    const update = await on.updates.next();
    assert.ok(update.ok);
    assert.deepEqual(
      update.value.map((e) => [e.name, endpointKey(e), e.priority, e.weight].join(' ')),
      ['a.addr 10.0.0.1:6379 1 20', 'a.addr [fd00::1]:6379 1 20', 'b.addr 10.0.0.2:6380 2 5'],
    );
    assert.deepEqual(on.server.asked, [`tcp SRV ${service}`], 'nothing else is asked');
  });

  it('looks targets up that the answer says nothing about, by their whole name', async () => {
    await using on = await bench(
      serving((request) => reply(request, [srv(service, 'db.example:1'), srv(service, '10.0.0.8:2')]), {
        'db.example': '10.0.0.7',
        'db.example.example': '10.9.9.9',
      }),
    );
    assert.equal(await on.updates.text(), '10.0.0.8:2 10.0.0.7:1');
    await settle();
    assert.ok(!on.server.asked.some((asked) => asked.includes('db.example.example')));
  });

  it('is asked for again by its time to live, between 1 s and 60 s; a shuffled answer is no change', async () => {
    const records = [srv(service, 'a:1', { ttl: 7 }), srv(service, 'b:2', { ttl: 9 })];
    const added = [a('a', '10.0.0.1'), a('b', '10.0.0.2')];
    await using on = await bench(serving((request) => reply(request, records, {}, added)));
    assert.equal(await on.updates.text(), '10.0.0.1:1 10.0.0.2:2');
    records.reverse();
    (await on.time.wait(7000)).wake();
    const second = await on.time.wait(7000);
    for (const record of records) record.ttl = 0;
    second.wake();
    const third = await on.time.wait(1000);
    for (const record of [...records, ...added]) record.ttl = 3600;
    third.wake();
    await on.time.wait(60_000);
    assert.equal(on.updates.count, 1);
    assert.equal(on.server.asked.length, 4);
  });

  it('follows its set and a target’s addresses', async () => {
    let records = [srv(service, 'db.example:1', { ttl: 5 })];
    const hosts = { 'db.example': '10.0.0.1', 'new.example': '10.0.0.5' };
    await using on = await bench(serving((request) => reply(request, records), hosts));
    assert.equal(await on.updates.text(), '10.0.0.1:1');
    hosts['db.example'] = '10.0.0.2';
    (await on.time.wait(50_000)).wake();
    assert.equal(await on.updates.text(), '10.0.0.2:1');
    records = [srv(service, 'new.example:1', { ttl: 5 })];
    (await on.time.wait(5000)).wake();
    assert.equal(await on.updates.text(), '10.0.0.5:1');
  });

  for (const [what, script] of [
    ['the target "."', serving((request) => reply(request, [srv(service, ':0')]))],
    ['no such name', serving((request) => reply(request, [], { rcode: rcode.nxdomain }))],
    ['no SRV record', serving((request) => reply(request, []))],
  ] as const) {
    it(`is an empty set where DNS says ${what}`, async () => {
      await using on = await bench(serving((request) => reply(request, [srv(service, '10.0.0.1:1')])));
      assert.equal(await on.updates.text(), '10.0.0.1:1');
      on.server.script = script;
      (await on.time.wait(60_000)).wake();
      assert.equal(await on.updates.text(), 'nothing');
      assert.deepEqual(on.log.at('warn'), []);
    });
  }

  it('keeps its set through failures, told once, and is known again after them', async () => {
    const good = serving((request) => reply(request, [srv(service, '10.0.0.1:1')]));
    await using on = await bench(good);
    assert.equal(await on.updates.text(), '10.0.0.1:1');
    (await on.time.wait(60_000)).wake();
    const first = await on.time.wait(60_000);
    // SERVFAIL, a reply cut off, bytes that are no reply, a truncated one: the reasons differ, the outage is one.
    const failures: Script[] = [
      serving((request) => reply(request, [], { rcode: rcode.servfail })),
      serving((request) =>
        reply(request, [srv(service, 'x:1')])
          .toBuffer()
          .subarray(0, -2),
      ),
      serving((request) => reply(request, [srv(service, 'x:1')], { tc: 1 })),
      serving(() => Buffer.from('garbage that is long enough for a header')),
    ];
    let wait = first;
    for (const script of failures) {
      on.server.script = script;
      wait.wake();
      wait = await on.time.wait([160, 1200]);
    }
    assert.equal(await on.updates.text(), 'ERR_RESOLVE_FAILED');
    on.server.script = good;
    wait.wake();
    assert.equal(await on.updates.text(), '10.0.0.1:1');
    await settle();
    assert.equal(on.updates.count, 3);
    const [failing, ...later] = on.log.at('debug');
    assert.match(failing ?? '', /"redis\.service\.consul" \(SRV\).*SERVFAIL.*; its last 1 endpoint/);
    assert.deepEqual(later, [`${service}: can be read again`]);
  });

  it('asks again with growing delays, from 200 ms to 30 s', async () => {
    await using on = await bench(serving((request) => reply(request, [], { rcode: rcode.refused })));
    const delays: number[] = [];
    for (let round = 0; round < 14; round++) {
      const wait = await on.time.wait([1, 59_000]);
      delays.push(wait.ms);
      wait.wake();
    }
    assert.ok((delays[0] ?? 0) >= 160 && (delays[0] ?? 0) <= 240, `${delays}`);
    assert.ok(
      delays.slice(12).every((ms) => ms >= 24_000 && ms <= 36_000),
      `${delays}`,
    );
    assert.equal(on.updates.count, 1);
  });

  it('tells of a target that moves while the service itself cannot be asked for', async () => {
    const hosts = { 'db.example': '10.0.0.1' };
    await using on = await bench(serving((request) => reply(request, [srv(service, 'db.example:1')]), hosts));
    assert.equal(await on.updates.text(), '10.0.0.1:1');
    hosts['db.example'] = '10.0.0.2';
    on.server.script = serving((request) => reply(request, [], { rcode: rcode.servfail }), hosts);
    (await on.time.wait(60_000)).wake();
    assert.equal(await on.updates.text(), 'ERR_RESOLVE_FAILED');
    (await on.time.wait(50_000)).wake();
    assert.equal(await on.updates.text(), '10.0.0.2:1');
    assert.equal(await on.updates.text(), 'ERR_RESOLVE_FAILED');
  });

  it('is an error where its targets cannot be looked up, and where all records name port 0', async () => {
    await using lost = await bench(({ type }, request) =>
      type === 'SRV'
        ? reply(request, [srv(service, 'db.example:1')])
        : reply(request, [], { rcode: rcode.servfail }),
    );
    assert.equal(await lost.updates.text(), 'ERR_RESOLVE_FAILED');
    await using portless = await bench(serving((request) => reply(request, [srv(service, 'db.example:0')])));
    const update = await portless.updates.next();
    assert.match(update.ok ? '' : update.error.message, /port 0/);
  });

  it('takes an alias, and an answer with everything else that servers add', async () => {
    // connectable ended with a CNAME or an AAAA record in the answer.
    const option = { name: '', type: 41, class: 4096, ttl: 0, rdata: [] };
    await using on = await bench(
      serving((request) =>
        reply(request, [cname(service, 'real.example', 30), srv('real.example', 'x:1')], {}, [
          option,
          { name: 'vm.node', type: 16, data: ['consul-network-segment='], ttl: 0 },
          aaaa('x', 'fd00::1'),
        ]),
      ),
    );
    assert.equal(await on.updates.text(), '[fd00::1]:1');
  });

  it('is not ended by a look-up that throws', async () => {
    const time = new FakeSleep();
    const end = new AbortController();
    const updates = new Updates();
    const client = {
      lookup: async () => {
        throw new TypeError('broken');
      },
    };
    const log = new RecordingLogger();
    const resolver = new SrvResolver({ client, followHosts: () => () => {}, logger: log, sleep: time.sleep });
    resolver.watch({ kind: 'srv', name: service }, updates.onUpdate, end.signal);
    const update = await updates.next();
    assert.equal(!update.ok && update.error.message, `cannot resolve "${service}" (SRV): broken`);
    (await time.wait([160, 240])).wake();
    await time.wait([241, 400]);
    end.abort();
  });
});
