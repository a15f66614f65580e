/** Steering on the running kernel: two network namespaces, every connection is a real one. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Puppet } from '../namespaces/puppet.ts';
import { own } from '../namespaces/wire.ts';
import { dial, SteeringWire } from './bed.ts';
import type { Command } from './puppet.ts';

const proxyPort = 10_000;
const adminPort = 10_001;
const everywhere = [own[4], own[6]] as const;
const steered =
  'info: connections are steered at the socket lookup, without nat: every port of this network namespace but 10000, 10001 leads to port 10000; proved by a connection to 127.0.0.1 and ::1';

/** A proxy that listens for both families, and a caller. */
async function proxyAndCaller(
  wire: SteeringWire,
): Promise<[proxy: Puppet<Command>, caller: Puppet<Command>]> {
  const [proxy, caller] = [wire.ambassador(), wire.caller()];
  await proxy.ask({ do: 'listen', host: '::', port: proxyPort, name: 'proxy' });
  return [proxy, caller];
}

async function begun(wire: SteeringWire): Promise<[proxy: Puppet<Command>, caller: Puppet<Command>]> {
  const both = await proxyAndCaller(wire);
  await both[0].ask({ do: 'begin', mode: 'steer', proxyPort, adminPort });
  return both;
}

describe('steering', () => {
  it('brings every port but the excepted ones to the proxy, whose socket has the address that was dialled', async () => {
    await using wire = new SteeringWire();
    const [proxy, caller] = await proxyAndCaller(wire);
    await wire.ambassador().ask({ do: 'listen', host: '::', port: 6379, name: 'another program' });
    const { log } = await proxy.tell({ do: 'begin', mode: 'auto', proxyPort, adminPort });
    assert.deepEqual(log, [steered]);
    for (const ip of everywhere) {
      for (const port of [1, 80, 6379, 65_535, proxyPort]) {
        assert.deepEqual(await dial(caller, ip, port), [`proxy got ${ip} ${port}`]);
      }
      assert.deepEqual(await dial(caller, ip, adminPort), ['ECONNREFUSED']);
    }
    await proxy.ask({ do: 'listen', host: '::', port: adminPort, name: 'admin' });
    for (const ip of everywhere) {
      assert.deepEqual(await dial(caller, ip, adminPort), [`admin got ${ip} ${adminPort}`]);
    }
    assert.doesNotMatch(wire.dump(), /nuncio/i);
  });

  it('reaches every listener of the proxy’s group', async () => {
    await using wire = new SteeringWire();
    const [proxy, caller] = [wire.ambassador(), wire.caller()];
    for (const name of ['one', 'two', 'three']) {
      await proxy.ask({ do: 'listen', host: '::', port: proxyPort, name, isShared: true });
    }
    await proxy.ask({ do: 'begin', mode: 'steer', proxyPort });
    for (const ip of everywhere) {
      // Of 90 calls one of three gets none once in 10^15.
      const reached = new Set(await dial(caller, ip, 80, 90));
      assert.deepEqual(reached, new Set(['one', 'two', 'three'].map((name) => `${name} got ${ip} 80`)));
    }
  });

  it('leaves alone what comes from here itself, to whichever address', async () => {
    await using wire = new SteeringWire();
    const second = ['10.215.0.1', 'fd00:215::1'] as const;
    wire.exec('ip', ['link', 'add', 'eth1', 'type', 'veth', 'peer', 'eth2']);
    wire.exec('ip', ['addr', 'add', `${second[0]}/24`, 'dev', 'eth1']);
    wire.exec('ip', ['addr', 'add', `${second[1]}/64`, 'dev', 'eth1', 'nodad']);
    for (const device of ['eth1', 'eth2']) wire.exec('ip', ['link', 'set', device, 'up']);
    const [proxy] = await begun(wire);
    await proxy.ask({ do: 'listen', host: '::', port: 6379, name: 'local' });
    for (const ip of [...everywhere, ...second, '127.0.0.1', '127.0.0.2', '::1']) {
      assert.deepEqual(await dial(proxy, ip, 6379), [`local got ${ip} 6379`]);
      assert.deepEqual(await dial(proxy, ip, 6380), ['ECONNREFUSED']);
    }
  });

  it('leaves UDP alone', async () => {
    await using wire = new SteeringWire();
    const [proxy, caller] = await begun(wire);
    await proxy.ask({ do: 'udp-echo', port: 53 });
    for (const host of everywhere) {
      assert.equal(await caller.ask({ do: 'udp-ask', host, port: 53, text: 'a question' }), 'a question');
      assert.deepEqual(await dial(caller, host, 53), [`proxy got ${host} 53`]);
    }
  });

  it('has no connection tracked, as nat rules have', async () => {
    for (const [mode, isTracked] of [
      ['steer', false],
      ['nat', true],
    ] as const) {
      await using wire = new SteeringWire();
      const [proxy, caller] = await proxyAndCaller(wire);
      await proxy.ask({ do: 'begin', mode, proxyPort });
      for (const ip of everywhere) assert.deepEqual(await dial(caller, ip, 6379), [`proxy got ${ip} 6379`]);
      assert.equal(/ dport=6379 .* sport=10000 /.test(wire.tracked()), isTracked, mode);
      if (!isTracked) assert.equal(wire.tracked(), '');
    }
  });

  it('is there where IPv6 is switched off', async () => {
    await using wire = new SteeringWire();
    wire.exec('sysctl', ['-q', '-w', 'net.ipv6.conf.all.disable_ipv6=1']);
    const [proxy, caller] = await proxyAndCaller(wire);
    const { log } = await proxy.tell({ do: 'begin', mode: 'steer', proxyPort, adminPort });
    assert.deepEqual(log, [steered.replace(' and ::1', '')]);
    assert.deepEqual(await dial(caller, own[4], 80), [`proxy got ${own[4]} 80`]);
  });

  it('refuses callers when the proxy has stopped listening', async () => {
    await using wire = new SteeringWire();
    const [proxy, caller] = await begun(wire);
    await proxy.ask({ do: 'close' });
    for (const ip of everywhere) assert.deepEqual(await dial(caller, ip, 80), ['ECONNREFUSED']);
  });

  it('ends with its process, however that ends', async () => {
    await using wire = new SteeringWire();
    const [proxy, caller] = await begun(wire);
    assert.deepEqual(await dial(caller, own[4], 80), [`proxy got ${own[4]} 80`]);
    await proxy.kill();
    for (const ip of everywhere) assert.deepEqual(await dial(caller, ip, 80), ['ECONNREFUSED']);
    await wire.ambassador().ask({ do: 'listen', host: '::', port: 80, name: 'another program' });
    for (const ip of everywhere)
      assert.deepEqual(await dial(caller, ip, 80), [`another program got ${ip} 80`]);

    const [, again] = await begun(wire);
    assert.deepEqual(await dial(again, own[4], 80), [`proxy got ${own[4]} 80`]);
  });

  it('leaves nothing behind when it stops, and what is open goes on', async () => {
    await using wire = new SteeringWire();
    const [proxy, caller] = [wire.ambassador(), wire.caller()];
    await proxy.ask({ do: 'tcp-echo', port: proxyPort });
    // Whatever is loaded once is there after this.
    await proxy.ask({ do: 'begin', mode: 'steer', proxyPort });
    await proxy.ask({ do: 'stop' });
    const before = await proxy.ask({ do: 'descriptors' });
    await proxy.ask({ do: 'begin', mode: 'steer', proxyPort });
    await proxy.ask({ do: 'stop' });
    await proxy.ask({ do: 'stop' });
    assert.equal(await proxy.ask({ do: 'descriptors' }), before);

    await proxy.ask({ do: 'begin', mode: 'steer', proxyPort });
    await caller.ask({ do: 'open', host: own[4], port: 80 });
    assert.equal(await caller.ask({ do: 'say', text: 'before' }), 'before');
    await proxy.ask({ do: 'stop' });
    assert.equal(await caller.ask({ do: 'say', text: 'after' }), 'after');
    assert.deepEqual(await dial(caller, own[4], 80), ['ECONNREFUSED']);
  });
});

describe('steering and nat rules', () => {
  it('removes those of an earlier run, which was killed', async () => {
    await using wire = new SteeringWire();
    const [earlier] = await proxyAndCaller(wire);
    await earlier.ask({ do: 'begin', mode: 'nat', proxyPort });
    await earlier.kill();
    assert.match(wire.dump(), /table inet nuncio/);
    const [proxy, caller] = await proxyAndCaller(wire);
    const { log } = await proxy.tell({ do: 'begin', mode: 'auto', proxyPort, adminPort });
    assert.deepEqual(log, [steered, 'info: nat rules: older ones removed']);
    assert.doesNotMatch(wire.dump(), /nuncio/i);
    for (const ip of everywhere) assert.deepEqual(await dial(caller, ip, 80), [`proxy got ${ip} 80`]);
  });

  it('lets those that somebody sets later do their work', async () => {
    await using wire = new SteeringWire();
    const [, caller] = await begun(wire);
    const setter = wire.ambassador();
    await setter.ask({ do: 'listen', host: '127.0.0.1', port: 1, name: 'none' });
    await setter.ask({ do: 'begin', mode: 'nat', proxyPort });
    for (const ip of everywhere) assert.deepEqual(await dial(caller, ip, 80), [`proxy got ${ip} 80`]);
    assert.match(wire.tracked(), / dport=80 .* sport=10000 /);
  });
});

describe('where something is missing', () => {
  const redirected = /^info: nat rules set by nft, IPv4 and IPv6: every port .* proved by a connection to /;

  it('CAP_BPF: one line says so, and nat rules serve', async () => {
    await using wire = new SteeringWire();
    const [proxy, caller] = [wire.ambassador({ without: ['sys_admin', 'bpf'] }), wire.caller()];
    await proxy.ask({ do: 'listen', host: '::', port: proxyPort, name: 'proxy' });
    const reason = 'programs may not be loaded (--cap-add BPF; before Docker 23, SYS_ADMIN)';
    const { error } = await proxy.tell({ do: 'begin', mode: 'steer', proxyPort });
    assert.deepEqual(error, { code: 'ERR_CANNOT_START', message: `--rules=steer, but ${reason}` });
    assert.doesNotMatch(wire.dump(), /nuncio/i);
    const before = await proxy.ask({ do: 'descriptors' });
    await proxy.tell({ do: 'begin', mode: 'steer', proxyPort });
    assert.equal(await proxy.ask({ do: 'descriptors' }), before);

    const { log } = await proxy.tell({ do: 'begin', mode: 'auto', proxyPort });
    assert.equal(log[0], `info: steering off: ${reason}; the connections are left to nat rules`);
    assert.match(log[1] ?? '', redirected);
    assert.equal(log.length, 2);
    for (const ip of everywhere) assert.deepEqual(await dial(caller, ip, 80), [`proxy got ${ip} 80`]);
  });

  it('CAP_NET_ADMIN: one line says so, and another which command sets nat rules', async () => {
    await using wire = new SteeringWire();
    const proxy = wire.ambassador({ without: ['net_admin'] });
    await proxy.ask({ do: 'listen', host: '::', port: proxyPort, name: 'proxy' });
    const { log } = await proxy.tell({ do: 'begin', mode: 'auto', proxyPort });
    const reason = 'CAP_NET_ADMIN is missing (--cap-add NET_ADMIN --cap-add BPF)';
    assert.equal(log[0], `info: steering off: ${reason}; the connections are left to nat rules`);
    assert.match(log[1] ?? '', /^warn: nat rules are missing .*--setup-iptables/);
    assert.equal(log.length, 2);
  });

  it('nothing is missing where BPF and NET_ADMIN are all that there is', async () => {
    await using wire = new SteeringWire();
    const others =
      'sys_admin,perfmon,net_raw,net_bind_service,sys_ptrace,sys_resource,sys_module,dac_override';
    const [proxy, caller] = [wire.ambassador({ without: others.split(',') }), wire.caller()];
    await proxy.ask({ do: 'listen', host: '::', port: proxyPort, name: 'proxy' });
    await proxy.ask({ do: 'begin', mode: 'steer', proxyPort });
    for (const ip of everywhere) assert.deepEqual(await dial(caller, ip, 80), [`proxy got ${ip} 80`]);
  });

  it('is not looked for where nat rules are asked for', async () => {
    await using wire = new SteeringWire();
    const [proxy, caller] = await proxyAndCaller(wire);
    const { log } = await proxy.tell({ do: 'begin', mode: 'nat', proxyPort });
    assert.match(log[0] ?? '', redirected);
    assert.equal(log.length, 1);
    for (const ip of everywhere) assert.deepEqual(await dial(caller, ip, 80), [`proxy got ${ip} 80`]);
  });
});
