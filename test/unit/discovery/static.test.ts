import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { SourceOf } from '../../../src/backend/backend.ts';
import { AppError } from '../../../src/core/errors.ts';
import { type Logger, silentLogger } from '../../../src/core/log.ts';
import { HostAddresses } from '../../../src/discovery/dns/addresses.ts';
import { DnsClient } from '../../../src/discovery/dns/client.ts';
import { parseHosts } from '../../../src/discovery/dns/hosts-file.ts';
import { parseResolvConf } from '../../../src/discovery/dns/resolv-conf.ts';
import { StaticResolver } from '../../../src/discovery/static.ts';
import { a, aaaa, rcode, reply, type Script, startDnsServer, zone } from '../../support/dns-server.ts';
import { FakeSleep } from '../../support/fake-sleep.ts';
import { settle, Updates, until } from '../../support/updates.ts';

const list = (...texts: string[]): SourceOf<'static'> => ({
  kind: 'static',
  endpoints: texts.map((text) => {
    const colon = text.lastIndexOf(':');
    return { host: text.slice(0, colon), port: Number(text.slice(colon + 1)) };
  }),
});

/** A resolver over a real DNS server on loopback, with time in the test's hands. */
async function bench(
  script: Script,
  { hosts = '', logger = silentLogger }: { hosts?: string; logger?: Logger } = {},
) {
  const server = await startDnsServer(script);
  const conf = { ...parseResolvConf(''), nameservers: [server.address], timeoutMs: 10_000, attempts: 1 };
  const client = new DnsClient({ config: async () => conf });
  const addresses = new HostAddresses({ client, hosts: async () => parseHosts(hosts) });
  const time = new FakeSleep();
  const end = new AbortController();
  const updates = new Updates();
  const resolver = new StaticResolver({ addresses, logger, sleep: time.sleep });
  return {
    server,
    time,
    updates,
    end,
    watch: (source: SourceOf<'static'>) => resolver.watch(source, updates.onUpdate, end.signal),
    async [Symbol.asyncDispose]() {
      end.abort();
      await server[Symbol.asyncDispose]();
    },
  };
}

describe('static list', () => {
  it('of IP addresses is told once, as it is, and needs no timer and no question', async () => {
    await using on = await bench(zone({}));
    on.watch(list('10.0.0.2:80', 'fd00::1:80', '10.0.0.1:81', '10.0.0.2:80'));
    assert.equal(on.updates.count, 0);
    assert.equal(await on.updates.text(), '10.0.0.2:80 [fd00::1]:80 10.0.0.1:81');
    await settle();
    assert.deepEqual([on.updates.count, on.server.asked, on.time.pending], [1, [], []]);
  });

  it('has every address of every name in the order of the list, called by the name', async () => {
    await using on = await bench(zone({ db: ['10.0.0.2', '10.0.0.1', 'fd00::1'], cache: ['10.0.0.9'] }));
    on.watch(list('db:6379', '10.0.0.5:6379', 'cache:6380'));
    const update = await on.updates.next();
    assert.ok(update.ok);
    assert.deepEqual(
      update.value.map(({ name, ip, port }) => `${name} ${ip} ${port}`),
      [
        'db 10.0.0.1 6379',
        'db 10.0.0.2 6379',
        'db fd00::1 6379',
        '10.0.0.5 10.0.0.5 6379',
        'cache 10.0.0.9 6380',
      ],
    );
  });

  it('asks once for a name that stands there with several ports', async () => {
    await using on = await bench(zone({ db: ['10.0.0.1'] }));
    on.watch(list('db:1', 'db:2'));
    assert.equal(await on.updates.text(), '10.0.0.1:1 10.0.0.1:2');
    assert.equal(on.server.asked.length, 2);
  });

  it('is asked for again after its time to live, and told when it has changed', async () => {
    const table: Record<string, string[]> = { db: ['10.0.0.1', '10.0.0.2'] };
    await using on = await bench(zone(table, 7));
    on.watch(list('db:80'));
    assert.equal(await on.updates.text(), '10.0.0.1:80 10.0.0.2:80');
    table.db = ['10.0.0.2', '10.0.0.1'];
    (await on.time.wait(7000)).wake();
    await on.time.wait(7000);
    assert.equal(on.updates.count, 1, 'a shuffled answer is no change');
    table.db = ['10.0.0.3'];
    (await on.time.wait(7000)).wake();
    assert.equal(await on.updates.text(), '10.0.0.3:80');
    assert.equal(on.server.asked.length, 6);
  });

  it('re-asks each name on its own timer', async () => {
    await using on = await bench(({ name, type }, request) =>
      reply(request, type === 'A' ? [a(name, '10.0.0.1', name === 'slow' ? 50 : 5)] : []),
    );
    on.watch(list('slow:80', 'fast:80'));
    await on.updates.next();
    (await on.time.wait(5000)).wake();
    await on.time.wait(5000);
    assert.equal(on.server.asked.filter((text) => text.endsWith('fast')).length, 4);
    assert.equal(on.server.asked.filter((text) => text.endsWith('slow')).length, 2);
  });
});

describe('static list, first update', () => {
  it('waits for the last name', async () => {
    await using on = await bench(({ name, type }, request) =>
      name === 'late' ? undefined : reply(request, type === 'A' ? [a(name, '10.0.0.1')] : []),
    );
    on.watch(list('early:80', 'late:80'));
    await on.time.wait(60_000);
    await settle();
    assert.equal(on.updates.count, 0);
    (await on.time.wait(3000)).wake();
    assert.equal(await on.updates.text(), '10.0.0.1:80', 'after 3 s what is known is told');
  });

  it('has all names at once where the last one answers in time, and ends the wait', async () => {
    await using on = await bench(zone({ early: ['10.0.0.1'], late: ['10.0.0.2'] }));
    on.watch(list('early:80', 'late:80'));
    assert.equal(await on.updates.text(), '10.0.0.1:80 10.0.0.2:80');
    await settle();
    assert.deepEqual(on.time.pending, [60_000, 60_000]);
    assert.equal(on.updates.count, 1);
  });

  it('is an error after 3 s where nothing has answered, and the set when it has', async () => {
    await using on = await bench(() => undefined);
    on.watch(list('db:80'));
    (await on.time.wait(3000)).wake();
    const update = await on.updates.next();
    assert.ok(!update.ok);
    assert.equal(update.error.message, 'no answer yet for "db"');
  });

  it('does not wait for a name that has failed', async () => {
    await using on = await bench(zone({ good: ['10.0.0.1'], bad: 'servfail' }));
    on.watch(list('bad:80', 'good:80'));
    assert.equal(await on.updates.text(), '10.0.0.1:80');
  });
});

describe('static list, failures', () => {
  it('keeps the last addresses of a name that fails, while the others go on', async () => {
    const table: Record<string, string[] | 'servfail'> = { db: ['10.0.0.1'], cache: ['10.0.0.2'] };
    await using on = await bench(zone(table));
    on.watch(list('db:80', 'cache:80'));
    await on.updates.next();
    table.db = 'servfail';
    table.cache = ['10.0.0.3'];
    for (let name = 0; name < 2; name++) (await on.time.wait(60_000)).wake();
    assert.equal(await on.updates.text(), '10.0.0.1:80 10.0.0.3:80');
  });

  it('asks again with growing delays, from one second to thirty', async () => {
    await using on = await bench(zone({ db: 'servfail' }));
    on.watch(list('db:80'));
    assert.equal(await on.updates.text(), 'ERR_RESOLVE_FAILED');
    const delays: number[] = [];
    for (let round = 0; round < 12; round++) {
      const wait = await on.time.wait([1, 59_000]);
      delays.push(wait.ms);
      wait.wake();
    }
    assert.ok((delays[0] ?? 0) >= 800 && (delays[0] ?? 0) <= 1200, `${delays}`);
    assert.ok(
      delays.slice(8).every((ms) => ms >= 24_000 && ms <= 36_000),
      `${delays}`,
    );
    assert.equal(on.updates.count, 1, 'one error, however often it fails');
  });

  it('is known again after an error', async () => {
    const table: Record<string, string[] | 'servfail'> = { db: 'servfail' };
    await using on = await bench(zone(table));
    on.watch(list('db:80'));
    assert.equal(await on.updates.text(), 'ERR_RESOLVE_FAILED');
    table.db = ['10.0.0.1'];
    (await on.time.wait([800, 1200])).wake();
    assert.equal(await on.updates.text(), '10.0.0.1:80');
  });

  it('is empty where the name is said not to exist, which is no error', async () => {
    const table: Record<string, string[]> = { db: ['10.0.0.1'] };
    await using on = await bench(zone(table));
    on.watch(list('db:80', '10.0.0.9:80'));
    assert.equal(await on.updates.text(), '10.0.0.1:80 10.0.0.9:80');
    delete table.db;
    (await on.time.wait(60_000)).wake();
    assert.equal(await on.updates.text(), '10.0.0.9:80');
    await using other = await bench(zone({}));
    other.watch(list('db:80'));
    assert.equal(await other.updates.text(), 'nothing');
    await other.time.wait(5000);
  });

  it('empties the part of a name that has gone even where another was never known', async () => {
    const table: Record<string, string[] | 'servfail'> = { gone: ['10.0.0.1'], bad: 'servfail' };
    await using on = await bench(zone(table));
    on.watch(list('gone:80', 'bad:80'));
    assert.equal(await on.updates.text(), '10.0.0.1:80');
    delete table.gone;
    (await on.time.wait(60_000)).wake();
    assert.equal(await on.updates.text(), 'nothing');
  });

  it('keeps the addresses of the family that nobody answers for', async () => {
    let isIpv4Broken = false;
    await using on = await bench(({ name, type }, request) => {
      if (type === 'AAAA') return reply(request, [aaaa(name, isIpv4Broken ? 'fd00::2' : 'fd00::1')]);
      return isIpv4Broken
        ? reply(request, [], { rcode: rcode.servfail })
        : reply(request, [a(name, '10.0.0.1')]);
    });
    on.watch(list('db:80'));
    assert.equal(await on.updates.text(), '10.0.0.1:80 [fd00::1]:80');
    isIpv4Broken = true;
    (await on.time.wait(60_000)).wake();
    assert.equal(await on.updates.text(), '10.0.0.1:80 [fd00::2]:80');
  });

  it('logs once that a name fails and its addresses stay, and once that it is back', async () => {
    const lines: string[] = [];
    const logger = {
      ...silentLogger,
      warn: (message: string) => lines.push(`warn ${message}`),
      info: (message: string) => lines.push(`info ${message}`),
    };
    const table: Record<string, string[] | 'servfail'> = { db: ['10.0.0.1'] };
    await using on = await bench(zone(table), { logger });
    on.watch(list('db:80'));
    await on.updates.next();
    table.db = 'servfail';
    (await on.time.wait(60_000)).wake();
    (await on.time.wait([800, 1200])).wake();
    const again = await on.time.wait([1201, 2000]);
    table.db = ['10.0.0.1'];
    again.wake();
    const known = await on.time.wait(60_000);
    assert.equal(lines.length, 2, lines.join('\n'));
    assert.match(lines[0] ?? '', /^warn cannot resolve "db" \(A\): .*SERVFAIL; its last addresses stay$/);
    assert.equal(lines[1], 'info "db" is resolved again');
    assert.equal(on.updates.count, 1);
    table.db = 'servfail';
    known.wake();
    await on.time.wait([800, 1200]);
  });

  it('logs nothing of a look-up that the end of the watch cuts off', async () => {
    const lines: string[] = [];
    const logger = { ...silentLogger, warn: (message: string) => lines.push(message) };
    await using on = await bench(() => undefined, { logger });
    on.watch(list('db:80'));
    await until(() => on.server.asked.length === 2, 'both questions have come');
    on.end.abort();
    await settle();
    assert.deepEqual([lines, on.updates.count], [[], 0]);
  });

  it('of a look-up that throws is a failure like any other', async () => {
    const time = new FakeSleep();
    const end = new AbortController();
    const updates = new Updates();
    const addresses = {
      lookup: async () => {
        throw new TypeError('broken');
      },
    };
    const resolver = new StaticResolver({ addresses, logger: silentLogger, sleep: time.sleep });
    resolver.watch(list('db:80'), updates.onUpdate, end.signal);
    const update = await updates.next();
    assert.ok(!update.ok && update.error instanceof AppError);
    assert.equal(update.error.message, 'cannot resolve "db": broken');
    end.abort();
  });
});

describe('static list, many names', () => {
  it('makes no complaint about listeners', async () => {
    const names = Array.from({ length: 40 }, (_, index) => `n${index}`);
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => warnings.push(warning);
    process.on('warning', onWarning);
    const hosts = names.map((name, index) => `10.0.1.${index} ${name}`).join('\n');
    await using on = await bench(zone({}), { hosts });
    on.watch(list(...names.map((name) => `${name}:80`)));
    const update = await on.updates.next();
    assert.equal(update.ok && update.value.length, 40);
    await settle();
    process.off('warning', onWarning);
    assert.deepEqual(warnings, []);
  });
});
