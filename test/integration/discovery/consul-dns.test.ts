import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { sleep } from '../../../src/core/backoff.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { HostAddresses } from '../../../src/discovery/dns/addresses.ts';
import { DnsClient } from '../../../src/discovery/dns/client.ts';
import { parseResolvConf } from '../../../src/discovery/dns/resolv-conf.ts';
import { followHosts } from '../../../src/discovery/follow-hosts.ts';
import type { Resolver } from '../../../src/discovery/resolver.ts';
import { SrvResolver } from '../../../src/discovery/srv.ts';
import { StaticResolver } from '../../../src/discovery/static.ts';
import { Updates } from '../../support/updates.ts';
import { ConsulAgent } from './consul-agent.ts';

let consul: ConsulAgent;

before(async () => {
  consul = await ConsulAgent.start();
});
after(() => consul?.[Symbol.asyncDispose]());

/** Time to live (Consul says 0, taken as 1 s) and back-off pass twenty times as fast. */
const quickly = (ms: number, signal: AbortSignal) => sleep(ms === 3000 ? ms : ms / 20, signal);

function resolvers() {
  const nameservers = [{ ip: consul.host, port: consul.dnsPort }];
  const conf = { ...parseResolvConf(''), nameservers, timeoutMs: 10_000 };
  const client = new DnsClient({ config: async () => conf });
  const addresses = new HostAddresses({ client, hosts: async () => new Map() });
  const deps = { addresses, logger: silentLogger, sleep: quickly };
  const hosts = followHosts(deps);
  return {
    srv: new SrvResolver({ client, followHosts: hosts, logger: silentLogger, sleep: quickly }),
    static: new StaticResolver(deps),
  };
}

function follow<R extends Resolver>(resolver: R, source: Parameters<R['watch']>[0]) {
  const end = new AbortController();
  const updates = new Updates();
  resolver.watch(source, updates.onUpdate, end.signal);
  return { updates, [Symbol.dispose]: () => end.abort() };
}

const ips = Array.from({ length: 40 }, (_, index) => `10.2.0.${index + 10}`);

describe('a service in Consul, by DNS', () => {
  it('has all its instances by SRV, and by the name’s addresses, of which Consul would send three', async () => {
    for (const [at, ip] of ips.entries()) {
      const Weights = { Passing: at + 1, Warning: 1 };
      await consul.register({ ID: `many-${at}`, Name: 'many', Address: ip, Port: 7000 + at, Weights });
    }
    const { srv, static: list } = resolvers();
    using byName = follow(srv, { kind: 'srv', name: 'many.service.consul' });
    const update = await byName.updates.next();
    assert.ok(update.ok);
    assert.deepEqual(
      update.value.map(({ ip, port, weight }) => `${ip}:${port} ${weight}`).toSorted(),
      ips.map((ip, at) => `${ip}:${7000 + at} ${at + 1}`).toSorted(),
    );
    using byAddress = follow(list, {
      kind: 'static',
      endpoints: [{ host: 'many.service.consul', port: 80 }],
    });
    assert.equal(await byAddress.updates.text(), ips.map((ip) => `${ip}:80`).join(' '));
  });

  it('has those that pass their checks; none, and no such service, are empty sets', async () => {
    const instance = (id: string, ip: string) => ({
      ...{ ID: id, Name: 'web', Address: ip, Port: 80 },
      Check: { TTL: '1h', Status: 'passing' },
    });
    await consul.register(instance('web-1', '10.2.1.1'));
    await consul.register(instance('web-2', '10.2.1.2'));
    using on = follow(resolvers().srv, { kind: 'srv', name: 'web.service.consul' });
    assert.equal(await on.updates.text(), '10.2.1.1:80 10.2.1.2:80');
    await consul.check('web-1', 'fail');
    assert.equal(await on.updates.text(), '10.2.1.2:80');
    await consul.check('web-2', 'fail');
    assert.equal(await on.updates.text(), 'nothing');
    await consul.check('web-1', 'pass');
    assert.equal(await on.updates.text(), '10.2.1.1:80');
    await consul.deregister('web-1');
    await consul.deregister('web-2');
    assert.equal(await on.updates.text(), 'nothing');
  });

  it('keeps its set while the agent is dead, and is followed again when one is back', async () => {
    await consul.register({ ID: 'db', Name: 'db', Address: '10.2.2.1', Port: 80 });
    using on = follow(resolvers().srv, { kind: 'srv', name: 'db.service.consul' });
    assert.equal(await on.updates.text(), '10.2.2.1:80');
    await consul.kill();
    assert.equal(await on.updates.text(), 'ERR_RESOLVE_FAILED');
    await consul.run();
    await consul.register({ ID: 'db', Name: 'db', Address: '10.2.2.2', Port: 80 });
    // The agent has come back without anything: that, and the set from before, may be told first.
    for (let seen = 0; seen < 4; seen++) if ((await on.updates.text()) === '10.2.2.2:80') return;
    assert.fail('the new instance was not told');
  });
});
