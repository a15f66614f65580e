import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sleep } from '../../../src/core/backoff.ts';
import { HostAddresses } from '../../../src/discovery/dns/addresses.ts';
import { DnsClient } from '../../../src/discovery/dns/client.ts';
import { parseResolvConf } from '../../../src/discovery/dns/resolv-conf.ts';
import { followHosts } from '../../../src/discovery/follow-hosts.ts';
import { SrvResolver } from '../../../src/discovery/srv.ts';
import { RecordingLogger } from '../../support/recording-logger.ts';
import { resourcesNow } from '../../support/resources.ts';
import { Updates } from '../../support/updates.ts';
import { Dnsmasq } from './dnsmasq.ts';

/** Time to live and back-off pass twenty times as fast; the wait for the first answers stays as it is. */
const quickly = (ms: number, signal: AbortSignal) => sleep(ms === 3000 ? ms : ms / 20, signal);

/** Follows a service by the SRV records of real DNS servers. */
function follow(servers: readonly Pick<Dnsmasq, 'address'>[], name: string) {
  const nameservers = servers.map(({ address }) => address);
  const conf = { ...parseResolvConf('search example'), nameservers, timeoutMs: 10_000 };
  const client = new DnsClient({ config: async () => conf });
  const addresses = new HostAddresses({ client, hosts: async () => new Map() });
  const log = new RecordingLogger();
  const resolver = new SrvResolver({
    client,
    followHosts: followHosts({ addresses, logger: log, sleep: quickly }),
    logger: log,
    sleep: quickly,
  });
  const end = new AbortController();
  const updates = new Updates();
  resolver.watch({ kind: 'srv', name }, updates.onUpdate, end.signal);
  return { updates, log, [Symbol.dispose]: () => end.abort() };
}

const local = '--local=/example/';

describe('SRV through dnsmasq', () => {
  it('has priority and weight, addresses of both families, an alias as target', async () => {
    await using server = await Dnsmasq.start([
      local,
      '--srv-host=_db._tcp.example,one.example,6379,1,20',
      '--srv-host=_db._tcp.example,alias.example,6380,2,5',
      '--host-record=one.example,10.0.0.1,fd00::1',
      '--host-record=two.example,10.0.0.2',
      '--cname=alias.example,two.example',
    ]);
    using on = follow([server], '_db._tcp');
    const update = await on.updates.next();
    assert.ok(update.ok);
    assert.deepEqual(
      update.value.map(({ name, ip, port, priority, weight }) =>
        [name, ip, port, priority, weight].join(' '),
      ),
      ['one.example 10.0.0.1 6379 1 20', 'one.example fd00::1 6379 1 20', 'alias.example 10.0.0.2 6380 2 5'],
    );
  });

  it('has more records than UDP carries', async () => {
    const many = Array.from({ length: 60 }, (_, index) => index + 1);
    await using server = await Dnsmasq.start([
      local,
      ...many.map((n) => `--srv-host=web.example,host-${n}.example,80,0,1`),
      ...many.map((n) => `--host-record=host-${n}.example,10.1.0.${n}`),
    ]);
    using on = follow([server], 'web.example');
    const update = await on.updates.next();
    assert.ok(update.ok);
    assert.deepEqual(update.value.map(({ ip }) => ip).toSorted(), many.map((n) => `10.1.0.${n}`).toSorted());
  });

  it('is not available, is not there, or is not dnsmasq’s to know', async () => {
    await using server = await Dnsmasq.start([local, '--srv-host=off.example']);
    for (const [name, expected] of [
      ['off.example', 'nothing'],
      ['gone.example', 'nothing'],
      ['elsewhere.test.', 'ERR_RESOLVE_FAILED'],
    ] as const) {
      using on = follow([server], name);
      assert.equal(await on.updates.text(), expected, name);
    }
  });

  it('follows a target that moves', async () => {
    await using server = await Dnsmasq.start(
      [local, '--srv-host=db.example,host.example,1'],
      '10.0.0.1 host.example\n',
    );
    using on = follow([server], 'db.example');
    assert.equal(await on.updates.text(), '10.0.0.1:1');
    await server.rewrite('10.0.0.2 host.example\n');
    assert.equal(await on.updates.text(), '10.0.0.2:1');
  });

  it('keeps its set while the server is dead; a second one takes over', async () => {
    const args = [
      local,
      '--srv-host=db.example,10-0-0-1.example,1',
      '--host-record=10-0-0-1.example,10.0.0.1',
    ];
    await using first = await Dnsmasq.start(args);
    using on = follow([first], 'db.example');
    assert.equal(await on.updates.text(), '10.0.0.1:1');
    await first.kill();
    assert.equal(await on.updates.text(), 'ERR_RESOLVE_FAILED');
    await using second = await Dnsmasq.start(args);
    using both = follow([first, second], 'db.example');
    assert.equal(await both.updates.text(), '10.0.0.1:1');
    await first.run();
    assert.equal(await on.updates.text(), '10.0.0.1:1', 'the set again, after the error');
    assert.equal(on.log.at('debug').length, 2, 'failing, and back');
  });

  it('leaves nothing open when it ends', async () => {
    await using server = await Dnsmasq.start([local, '--srv-host=db.example,host.example,1']);
    const backToStart = await resourcesNow();
    const on = follow([server], 'db.example');
    await on.updates.next();
    on[Symbol.dispose]();
    await backToStart();
  });
});
