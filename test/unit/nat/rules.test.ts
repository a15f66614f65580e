import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { iptablesInstallation, iptablesRemoval, ownRules } from '../../../src/nat/iptables-text.ts';
import { nftInstallation, nftRemoval } from '../../../src/nat/nft-text.ts';
import { familiesOf, planKey, planRules, type RuleSet } from '../../../src/nat/rules.ts';

const redirect: RuleSet = { kind: 'redirect', proxyPort: 10000, exceptPorts: [10001] };
const dnat: RuleSet = {
  kind: 'dnat',
  proxyPort: 10000,
  proxyIps: ['172.17.0.1', 'FD00:0::1'],
  exceptPorts: [10001],
  takePorts: [],
};

describe('a plan', () => {
  it('excepts the proxy port and the further ones, each once, in order', () => {
    const plan = planRules({ ...redirect, exceptPorts: [20000, 9, 10000, 9] }, []);
    assert.deepEqual(plan, { kind: 'redirect', proxyPort: 10000, exceptPorts: [9, 10000, 20000] });
    assert.deepEqual(familiesOf(plan), [4, 6]);
  });

  it('leaves to the host what it listens on: on any address, or on the very address', () => {
    const plan = planRules(dnat, [
      { ip: '0.0.0.0', port: 22 },
      { ip: '::', port: 80 },
      { ip: '172.17.0.1', port: 53 },
      { ip: 'fd00::1', port: 54 },
      { ip: '127.0.0.1', port: 6379 },
      { ip: '192.168.0.7', port: 443 },
    ]);
    assert.deepEqual(plan.kind === 'dnat' && plan.targets, [
      { ip: '172.17.0.1', family: 4, exceptPorts: [22, 53, 80, 10000, 10001] },
      { ip: 'fd00::1', family: 6, exceptPorts: [54, 80, 10000, 10001] },
    ]);
  });

  it('takes a port over where the operator says so, but never the proxy’s own', () => {
    const plan = planRules({ ...dnat, proxyIps: ['172.17.0.1'], takePorts: [22, 10000] }, [
      { ip: '0.0.0.0', port: 22 },
      { ip: '0.0.0.0', port: 10000 },
    ]);
    assert.deepEqual(plan.kind === 'dnat' && plan.targets[0]?.exceptPorts, [10000, 10001]);
    assert.deepEqual(familiesOf(plan), [4]);
  });

  it('is the same plan whatever the order of addresses and listeners', () => {
    const listeners = [
      { ip: '0.0.0.0', port: 22 },
      { ip: '::', port: 80 },
    ];
    const swapped = { ...dnat, proxyIps: [...dnat.proxyIps].reverse() };
    assert.equal(planKey(planRules(dnat, listeners)), planKey(planRules(swapped, listeners.toReversed())));
  });

  const wrong: readonly [what: string, rules: RuleSet, message: RegExp][] = [
    ['port 0', { ...redirect, proxyPort: 0 }, /from 1 to 65535, not "0"/],
    ['port 65536', { ...redirect, exceptPorts: [65_536] }, /not "65536"/],
    ['half a port', { ...dnat, takePorts: [1.5] }, /not "1.5"/],
    ['no address', { ...dnat, proxyIps: [] }, /no address.*PROXY_IP/],
    ['a name', { ...dnat, proxyIps: ['docker0'] }, /"docker0" \(PROXY_IP\)/],
    ['loopback', { ...dnat, proxyIps: ['127.0.0.1'] }, /"127.0.0.1"/],
    ['a link-local address', { ...dnat, proxyIps: ['fe80::1'] }, /"fe80::1"/],
    ['every address', { ...dnat, proxyIps: ['::'] }, /"::"/],
    ['an injected statement', { ...dnat, proxyIps: ['1.2.3.4; flush ruleset'] }, /flush ruleset/],
  ];
  for (const [what, rules, message] of wrong) {
    it(`refuses ${what}`, () => {
      assert.throws(() => planRules(rules, []), { code: 'ERR_RULES', message });
    });
  }
});

describe('the text for nft', () => {
  it('redirects every port of the namespace’s own addresses, in one transaction', () => {
    assert.equal(
      nftInstallation(planRules(redirect, [])),
      `table inet nuncio {}
delete table inet nuncio
table inet nuncio {
  chain redirect_to_proxy {
    tcp dport { 10000, 10001 } return
    fib daddr type local meta l4proto tcp redirect to :10000
  }
  chain prerouting {
    type nat hook prerouting priority -105; policy accept;
    iifname != "lo" meta l4proto tcp jump redirect_to_proxy
  }
  chain output {
    type nat hook output priority -105; policy accept;
    meta mark 0x6e756e63 meta l4proto tcp jump redirect_to_proxy
  }
}
`,
    );
  });

  it('leads bridge addresses to the proxy port, after Docker’s own rules', () => {
    assert.equal(
      nftInstallation(planRules(dnat, [{ ip: '0.0.0.0', port: 22 }])),
      `table inet nuncio {}
delete table inet nuncio
table inet nuncio {
  chain redirect_to_proxy {
    ip daddr 172.17.0.1 tcp dport { 22, 10000, 10001 } return
    ip daddr 172.17.0.1 meta l4proto tcp dnat ip to 172.17.0.1:10000
    ip6 daddr fd00::1 tcp dport { 10000, 10001 } return
    ip6 daddr fd00::1 meta l4proto tcp dnat ip6 to [fd00::1]:10000
  }
  chain prerouting {
    type nat hook prerouting priority -90; policy accept;
    iifname != "lo" meta l4proto tcp jump redirect_to_proxy
  }
  chain output {
    type nat hook output priority -90; policy accept;
    meta mark 0x6e756e63 meta l4proto tcp jump redirect_to_proxy
  }
}
`,
    );
  });

  it('removes the table whether it is there or not', () => {
    assert.equal(nftRemoval, 'table inet nuncio {}\ndelete table inet nuncio\n');
  });
});

const foreign = `-P PREROUTING ACCEPT
-N DOCKER
-N NUNCIO-PROXY-OF-SOMEBODY
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A PREROUTING -m comment --comment "see -j NUNCIO-PROXY" -j RETURN
`;
const ours = `-N NUNCIO-PROXY
-A PREROUTING ! -i lo -p tcp -m comment --comment "nuncio: to the proxy" -j NUNCIO-PROXY
-A PREROUTING -p tcp -j NUNCIO-PROXY
-A NUNCIO-PROXY -p tcp -j REDIRECT --to-ports 9
`;

describe('the text for iptables', () => {
  it('goes before everybody else’s rules to redirect', () => {
    assert.equal(
      iptablesInstallation(planRules(redirect, []), 6, ''),
      `*nat
:NUNCIO-PROXY - [0:0]
-A NUNCIO-PROXY -p tcp -m multiport --dports 10000,10001 -m comment --comment "nuncio: left alone" -j RETURN
-A NUNCIO-PROXY -p tcp -m addrtype --dst-type LOCAL -m comment --comment "nuncio: to the proxy" -j REDIRECT --to-ports 10000
-I PREROUTING 1 ! -i lo -p tcp -m comment --comment "nuncio: to the proxy" -j NUNCIO-PROXY
-I OUTPUT 1 -p tcp -m mark --mark 0x6e756e63 -m comment --comment "nuncio: to the proxy" -j NUNCIO-PROXY
COMMIT
`,
    );
  });

  it('goes behind Docker’s for bridge addresses, 15 excepted ports a rule', () => {
    const listeners = Array.from({ length: 16 }, (_, index) => ({ ip: '0.0.0.0', port: index + 1 }));
    const text = iptablesInstallation(planRules(dnat, listeners), 4, '');
    assert.equal(
      text,
      `*nat
:NUNCIO-PROXY - [0:0]
-A NUNCIO-PROXY -p tcp -d 172.17.0.1 -m multiport --dports 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15 -m comment --comment "nuncio: left alone" -j RETURN
-A NUNCIO-PROXY -p tcp -d 172.17.0.1 -m multiport --dports 16,10000,10001 -m comment --comment "nuncio: left alone" -j RETURN
-A NUNCIO-PROXY -p tcp -d 172.17.0.1 -m comment --comment "nuncio: to the proxy" -j DNAT --to-destination 172.17.0.1:10000
-A PREROUTING ! -i lo -p tcp -m comment --comment "nuncio: to the proxy" -j NUNCIO-PROXY
-A OUTPUT -p tcp -m mark --mark 0x6e756e63 -m comment --comment "nuncio: to the proxy" -j NUNCIO-PROXY
COMMIT
`,
    );
    assert.match(iptablesInstallation(planRules(dnat, []), 6, ''), /--to-destination \[fd00::1\]:10000$/m);
  });

  it('knows ours from others', () => {
    assert.equal(ownRules(foreign + ours), ours);
    assert.equal(ownRules(foreign), '');
  });

  it('deletes every jump of an earlier run, however often it stands there', () => {
    const deleted = [
      '-D PREROUTING ! -i lo -p tcp -m comment --comment "nuncio: to the proxy" -j NUNCIO-PROXY',
      '-D PREROUTING -p tcp -j NUNCIO-PROXY',
    ];
    const text = iptablesInstallation(planRules(redirect, []), 4, foreign + ours);
    assert.deepEqual(text.match(/^-D .*$/gm), deleted);
    assert.equal(
      iptablesRemoval(foreign + ours),
      `*nat\n:NUNCIO-PROXY - [0:0]\n${deleted.join('\n')}\n-X NUNCIO-PROXY\nCOMMIT\n`,
    );
  });

  it('touches nothing where nothing is ours', () => {
    assert.equal(iptablesRemoval(foreign), undefined);
    assert.equal(iptablesRemoval(''), undefined);
  });
});
