import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { InstallReport } from '../../../src/nat/install.ts';
import type { RuleSet } from '../../../src/nat/rules.ts';
import type { Puppet } from '../namespaces/puppet.ts';
import { own } from '../namespaces/wire.ts';
import { iptablesPrograms, Namespaces } from './namespaces.ts';
import type { Command } from './puppet.ts';

const proxyPort = 10000;
const redirect: RuleSet = { kind: 'redirect', proxyPort, exceptPorts: [10001] };
const dnat: RuleSet = {
  kind: 'dnat',
  proxyPort,
  proxyIps: [own[4], own[6]],
  exceptPorts: [],
  takePorts: [],
};
const methods: readonly [what: string, programs: readonly string[] | undefined, method: string][] = [
  ['nft', undefined, 'nft'],
  ['iptables-nft where nft is not installed', iptablesPrograms('iptables', 'iptables-nft'), 'iptables-nft'],
  ['iptables-legacy where nothing else is', iptablesPrograms('iptables-legacy'), 'iptables-legacy'],
];

/** What a connection to each port of the ambassador ends with, over both families. */
async function dialAll(caller: Puppet<Command>, ports: readonly number[]): Promise<Record<string, unknown>> {
  const answers: Record<string, unknown> = {};
  for (const ip of [own[4], own[6]]) {
    for (const port of ports) answers[`${ip} ${port}`] = await caller.ask({ do: 'dial', ip, port });
  }
  return answers;
}

function both(answer: (ip: string) => Record<number, string>): Record<string, string> {
  const entries = [own[4], own[6]].flatMap((ip) =>
    Object.entries(answer(ip)).map(([port, text]): [string, string] => [`${ip} ${port}`, text]),
  );
  return Object.fromEntries(entries);
}

for (const [what, programs, method] of methods) {
  describe(`by ${what}`, () => {
    it('every port but the excepted ones reaches the proxy, with the address that was dialled', async () => {
      await using spaces = new Namespaces();
      const [ambassador, caller] = [spaces.ambassador({ programs }), spaces.caller()];
      await ambassador.ask({ do: 'listen', host: '::', port: proxyPort });
      await ambassador.ask({ do: 'listen', host: '::', port: 6379, text: 'the ambassador’s own' });
      await ambassador.ask({ do: 'listen', host: '::', port: 10001, text: 'admin' });
      const report = await ambassador.ask<InstallReport>({ do: 'install', rules: redirect });
      assert.equal(report.method, method);
      assert.deepEqual(report.probe, { kind: 'passed', via: [own[4], own[6]] });
      assert.deepEqual(
        await dialAll(caller, [1, 80, 6379, 65_535, proxyPort, 10001]),
        both((ip) => ({
          1: `proxy got ${ip} 1`,
          80: `proxy got ${ip} 80`,
          6379: `proxy got ${ip} 6379`,
          65535: `proxy got ${ip} 65535`,
          [proxyPort]: `proxy got ${ip} ${proxyPort}`,
          10001: 'admin',
        })),
      );
    });

    it('twice is once, and removal leaves exactly what was before', async () => {
      await using spaces = new Namespaces();
      const ambassador = spaces.ambassador({ programs });
      const foreign = ['-t', 'nat', '-A', 'PREROUTING', '-p', 'tcp', '--dport', '7', '-j', 'REDIRECT'];
      spaces.nft(
        'table inet other { chain c { type nat hook prerouting priority 0; tcp dport 9 return; }; }',
      );
      for (const kind of ['nft', 'legacy']) {
        spaces.exec(`iptables-${kind}`, foreign);
        spaces.exec(`ip6tables-${kind}`, foreign);
        spaces.exec(`iptables-${kind}`, ['-t', 'nat', '-A', 'OUTPUT', '-p', 'udp', '-j', 'RETURN']);
        spaces.exec(`ip6tables-${kind}`, ['-t', 'nat', '-A', 'OUTPUT', '-p', 'udp', '-j', 'RETURN']);
      }
      const before = spaces.dump();
      await ambassador.ask({ do: 'install', rules: redirect });
      const once = spaces.dump();
      assert.notEqual(once, before);
      await ambassador.ask({ do: 'install', rules: redirect });
      assert.equal(spaces.dump(), once);
      assert.deepEqual(await ambassador.ask({ do: 'remove' }), { removedFrom: [method] });
      assert.equal(spaces.dump(), before);
      assert.deepEqual(await ambassador.ask({ do: 'remove' }), { removedFrom: [] });
      assert.equal(spaces.dump(), before);
    });

    it('the keeper puts back what is flushed, and stops without a trace', async () => {
      await using spaces = new Namespaces();
      const ambassador = spaces.ambassador({ programs });
      await ambassador.ask({ do: 'keep', rules: redirect });
      const right = spaces.dump();
      assert.equal(await ambassador.ask({ do: 'check' }), 'intact');
      if (method === 'iptables-legacy') spaces.exec('iptables-legacy', ['-t', 'nat', '-F', 'PREROUTING']);
      else spaces.nft('flush ruleset');
      const { value, log } = await ambassador.tell({ do: 'check' });
      assert.equal(value, 'repaired');
      assert.equal(log.filter((line) => line.startsWith('warn: nat rules had vanished')).length, 1);
      assert.equal(spaces.dump(), right);
      assert.equal(await ambassador.ask({ do: 'check' }), 'intact');
      await ambassador.ask({ do: 'stop-keeping' });
      assert.doesNotMatch(spaces.dump(), /nuncio/i);
    });

    it('bridge addresses lead to the proxy, except on ports that the host listens on', async () => {
      await using spaces = new Namespaces();
      const [host, caller] = [spaces.ambassador({ programs }), spaces.caller()];
      for (const ip of [own[4], own[6]]) await host.ask({ do: 'listen', host: ip, port: proxyPort });
      await host.ask({ do: 'listen', host: '::', port: 22, text: 'host' });
      await host.ask({ do: 'listen', host: '::', port: 23, text: 'host' });
      const report = await host.ask<InstallReport>({ do: 'keep', rules: { ...dnat, takePorts: [23] } });
      assert.equal(report.method, method);
      assert.deepEqual(report.probe, { kind: 'passed', via: [own[4], own[6]] });
      assert.deepEqual(
        await dialAll(caller, [22, 23, 6379]),
        both((ip) => ({ 22: 'host', 23: `proxy got ${ip} 23`, 6379: `proxy got ${ip} 6379` })),
      );
      await host.ask({ do: 'listen', host: '::', port: 6379, text: 'host' });
      assert.equal(await host.ask({ do: 'check' }), 'refreshed');
      assert.deepEqual(
        await dialAll(caller, [6379]),
        both(() => ({ 6379: 'host' })),
      );
    });
  });
}

describe('what an earlier run left by another method', () => {
  it('is gone after a run by a better one', async () => {
    await using spaces = new Namespaces();
    for (const [, programs] of methods.toReversed()) {
      await spaces.ambassador({ programs }).ask({ do: 'install', rules: redirect });
    }
    const [nft, ...legacy] = spaces.dump().split('---\n');
    assert.match(nft ?? '', /table inet nuncio/);
    assert.doesNotMatch((nft ?? '') + legacy.join(''), /NUNCIO/);
  });

  it('is all removed by one removal', async () => {
    await using spaces = new Namespaces();
    for (const [, programs] of methods) {
      await spaces.ambassador({ programs }).ask({ do: 'install', rules: redirect });
    }
    await spaces.ambassador().ask({ do: 'remove' });
    assert.doesNotMatch(spaces.dump(), /nuncio/i);
  });
});

it('legacy tables in use do not disturb: a foreign legacy rule for every port comes second', async () => {
  await using spaces = new Namespaces();
  for (const name of ['iptables-legacy', 'ip6tables-legacy']) {
    for (const chain of ['PREROUTING', 'OUTPUT']) {
      spaces.exec(name, ['-t', 'nat', '-A', chain, '-p', 'tcp', '-j', 'REDIRECT', '--to-ports', '9']);
    }
  }
  const [ambassador, caller] = [spaces.ambassador(), spaces.caller()];
  await ambassador.ask({ do: 'listen', host: '::', port: proxyPort });
  assert.equal((await ambassador.ask<InstallReport>({ do: 'install', rules: redirect })).method, 'nft');
  assert.deepEqual(
    await dialAll(caller, [80]),
    both((ip) => ({ 80: `proxy got ${ip} 80` })),
  );
});

it('looking for legacy rules does not make the legacy tables', async () => {
  await using spaces = new Namespaces();
  const ambassador = spaces.ambassador();
  await ambassador.ask({ do: 'install', rules: redirect });
  await ambassador.ask({ do: 'remove' });
  for (const file of ['ip_tables_names', 'ip6_tables_names']) {
    assert.equal(spaces.exec('cat', [`/proc/self/net/${file}`]), '');
  }
});

it('IPv6 switched off in the namespace does not break IPv4', async () => {
  await using spaces = new Namespaces();
  spaces.exec('sysctl', ['-q', '-w', 'net.ipv6.conf.all.disable_ipv6=1']);
  for (const [, programs, method] of methods) {
    const ambassador = spaces.ambassador({ programs });
    const report: InstallReport = await ambassador.ask({ do: 'install', rules: redirect });
    assert.equal(report.method, method);
    assert.deepEqual(report.probe, { kind: 'passed', via: [own[4]] });
  }
});

it('a machine without ip6tables gets IPv4, and one line says so', async () => {
  await using spaces = new Namespaces();
  const ambassador = spaces.ambassador({ programs: ['iptables-nft', 'iptables-nft-restore'] });
  const { value, log } = await ambassador.tell({ do: 'install', rules: redirect });
  assert.deepEqual((value as InstallReport | undefined)?.families, [4]);
  assert.equal(log.filter((line) => line.includes('IPv4 only')).length, 1);
});

it('an interface without a carrier has its address all the same', async () => {
  await using spaces = new Namespaces();
  spaces.exec('ip', ['link', 'add', 'docker0', 'type', 'bridge']);
  spaces.exec('ip', ['addr', 'add', '172.31.0.1/16', 'dev', 'docker0']);
  spaces.exec('ip', ['link', 'set', 'docker0', 'up']);
  const host = spaces.ambassador();
  assert.deepEqual(await host.ask({ do: 'bridge', name: 'docker0' }), ['172.31.0.1']);
  const rules: RuleSet = { ...dnat, proxyIps: ['172.31.0.1'] };
  const report = await host.ask<InstallReport>({ do: 'install', rules });
  assert.deepEqual(report.probe, { kind: 'passed', via: ['172.31.0.1'] });
});
