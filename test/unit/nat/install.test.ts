import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findRules, installRules, removeRules } from '../../../src/nat/install.ts';
import type { RuleSet } from '../../../src/nat/rules.ts';
import { FakeMachine, rememberingLogger } from './fake-machine.ts';

const rules: RuleSet = { kind: 'redirect', proxyPort: 10000, exceptPorts: [] };

function bed(change: (machine: FakeMachine) => void = () => {}) {
  const machine = new FakeMachine();
  change(machine);
  const logger = rememberingLogger();
  return { machine, logger, deps: { run: machine.run, system: machine.system, logger } };
}

/** Which programs hold rules of ours now. */
const holders = (machine: FakeMachine) =>
  [...machine.tables].filter(([, text]) => text !== '').map(([program]) => program);

describe('the method', () => {
  const choices: readonly [string, (machine: FakeMachine) => void, method: string, holders: string[]][] = [
    ['nft where it works', () => {}, 'nft', ['nft']],
    [
      'iptables where nft is missing',
      (m) => {
        m.programs.nft = 'missing';
      },
      'iptables-nft',
      ['iptables-nft', 'ip6tables-nft'],
    ],
    [
      'what plain iptables means, where the kernel refuses nft',
      (m) => {
        m.programs.nft = 'refused';
        m.iptables = 'iptables-legacy';
      },
      'iptables-legacy',
      ['iptables-legacy', 'ip6tables-legacy'],
    ],
    [
      'the other kind of iptables, where the kernel knows no nf_tables at all',
      (m) => {
        m.programs.nft = m.programs['iptables-nft'] = m.programs['ip6tables-nft'] = 'refused';
      },
      'iptables-legacy',
      ['iptables-legacy', 'ip6tables-legacy'],
    ],
    [
      'legacy, where that is all there is',
      (m) => {
        m.programs.nft = m.programs['iptables-nft'] = m.programs['ip6tables-nft'] = 'missing';
        m.iptables = 'missing';
      },
      'iptables-legacy',
      ['iptables-legacy', 'ip6tables-legacy'],
    ],
    [
      'the one that the kernel uses, where it silently ignores nft',
      (m) => {
        m.used = ['iptables-legacy'];
      },
      'iptables-legacy',
      ['iptables-legacy', 'ip6tables-legacy'],
    ],
  ];
  for (const [what, change, method, expected] of choices) {
    it(`is ${what}`, async () => {
      const { machine, deps } = bed(change);
      const report = await installRules(rules, deps);
      assert.equal(report.method, method);
      assert.deepEqual(report.probe, { kind: 'passed', via: ['172.17.0.2', 'fd00::2'] });
      assert.deepEqual(holders(machine), expected);
      const once = new Map(machine.tables);
      await installRules(rules, deps);
      assert.deepEqual(machine.tables, once, 'twice is once');
      assert.deepEqual((await removeRules(deps)).removedFrom, [method]);
      assert.deepEqual(holders(machine), []);
    });
  }

  it('changes, and what the earlier one set is removed', async () => {
    const { machine, logger, deps } = bed((m) => {
      m.programs.nft = 'missing';
    });
    await installRules(rules, deps);
    machine.programs.nft = 'works';
    await installRules(rules, deps);
    assert.deepEqual(holders(machine), ['nft']);
    assert.ok(logger.lines.includes('info: nat rules: older ones removed'));
  });

  it('keeps foreign rules where they are', async () => {
    const foreign = '-A PREROUTING -p tcp --dport 1 -j RETURN\n';
    const { machine, deps } = bed((m) => {
      m.programs.nft = 'missing';
      m.tables.set('iptables-nft', foreign);
    });
    await installRules(rules, deps);
    assert.match(
      machine.tables.get('iptables-nft') ?? '',
      /^-A OUTPUT .*NUNCIO-PROXY\n-A PREROUTING .*NUNCIO/,
    );
    await removeRules(deps);
    assert.equal(machine.tables.get('iptables-nft'), foreign);
  });
});

describe('IPv6', () => {
  const noIpv6 = (m: FakeMachine) => {
    m.programs.nft = 'missing';
    m.programs['ip6tables-nft'] = 'refused';
  };
  it('that is missing does not break IPv4: one line says so', async () => {
    const { machine, logger, deps } = bed((m) => {
      noIpv6(m);
      m.interfaces = ['127.0.0.1', '172.17.0.2'];
    });
    const report = await installRules(rules, deps);
    assert.deepEqual(report.families, [4]);
    assert.deepEqual(holders(machine), ['iptables-nft']);
    assert.equal(logger.lines.filter((line) => line.includes('IPv4 only')).length, 1);
    assert.ok(logger.lines.some((line) => line.startsWith('info: nat rules: IPv4 only')));
    await removeRules(deps);
    assert.deepEqual(holders(machine), []);
  });
  it('that has addresses but no rules is worth a warning', async () => {
    const { logger, deps } = bed(noIpv6);
    await installRules(rules, deps);
    assert.ok(logger.lines.some((line) => line.startsWith('warn: nat rules: IPv4 only')));
  });
  it('is not wanted where no bridge address is IPv6', async () => {
    const { logger, deps } = bed(noIpv6);
    const proxyIps = ['172.17.0.1'];
    const dnat: RuleSet = { kind: 'dnat', proxyPort: 10000, proxyIps, exceptPorts: [], takePorts: [] };
    const report = await installRules(dnat, deps);
    assert.deepEqual(report.families, [4]);
    assert.ok(!logger.lines.some((line) => line.includes('IPv4 only')));
  });
});

describe('without a way', () => {
  it('the error names every method, why it failed, and what to do', async () => {
    const { machine, deps } = bed((m) => {
      m.programs.nft = 'missing';
      m.programs['iptables-nft'] = 'refused';
      m.used = [];
    });
    const message =
      /nft \(nft: not installed\); iptables-nft \(iptables: Operation not supported\); iptables-legacy \(rules were set, but the probe connection to 172\.17\.0\.2:1 was refused\); install nftables or iptables/;
    await assert.rejects(installRules(rules, deps), { code: 'ERR_RULES', message });
    assert.deepEqual(holders(machine), [], 'rules that the kernel ignores are not left');
  });

  it('a set that works is not taken away by a failure to set it again', async () => {
    const { machine, deps } = bed((m) => {
      m.iptables = 'missing';
      for (const name of Object.keys(m.programs)) if (name !== 'nft') m.programs[name] = 'missing';
    });
    await installRules(rules, deps);
    machine.programs.nft = 'refused';
    await assert.rejects(installRules(rules, deps), { code: 'ERR_RULES' });
    assert.deepEqual(holders(machine), ['nft']);
    await assert.rejects(removeRules(deps), { code: 'ERR_RULES', message: /may be left: nft/ });
  });

  it('the missing capability is named, and nothing is run', async () => {
    const { machine, deps } = bed((m) => {
      m.isPrivileged = false;
    });
    const expected = { code: 'ERR_RULES', message: /lacks CAP_NET_ADMIN; run the container with --cap-add/ };
    await assert.rejects(installRules(rules, deps), expected);
    await assert.rejects(removeRules(deps), expected);
    assert.deepEqual(machine.calls, []);
  });
});

describe('rules of somebody else', () => {
  it('are found without CAP_NET_ADMIN, by a probe', async () => {
    const { machine, deps } = bed();
    assert.equal((await findRules(rules, deps)).kind, 'absent');
    await installRules(rules, deps);
    machine.isPrivileged = false;
    assert.deepEqual(await findRules(rules, deps), { kind: 'present' });
  });
  it('are unknown where packets may not be marked, or no address can be dialled', async () => {
    const { machine, deps } = bed((m) => {
      m.mayMark = false;
    });
    const refused = await findRules(rules, deps);
    assert.match(refused.kind === 'unknown' ? refused.reason : '', /EPERM.*CAP_NET_RAW/);
    machine.interfaces = ['127.0.0.1', '::1', 'fe80::1'];
    assert.equal((await findRules(rules, deps)).kind, 'unknown');
  });
});
