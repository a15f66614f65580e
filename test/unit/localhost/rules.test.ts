import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nftMethod } from '../../../src/localhost/nft-method.ts';
import { nftInstallation, nftRemoval, readNftTable } from '../../../src/localhost/nft-text.ts';
import { clearLead, setLead } from '../../../src/localhost/rules.ts';
import type { RunCommand } from '../../../src/nat/command.ts';

const lead = { address: '172.17.0.2', ports: [80, 6379] };

/** A namespace that remembers, without a kernel. */
class FakeNamespace {
  table = '';
  readonly localnet = new Map([['eth0', false]]);
  way: string | undefined = 'eth0';
  listening: { ip: string; port: number }[] = [];
  /** What the kernel makes of what it is told. */
  keeps = true;
  refusal: Error | undefined;
  readonly run: RunCommand = async (_, args, { stdin = '' } = {}) => {
    if (args.includes('list')) {
      return this.table === ''
        ? { kind: 'failed', reason: 'nft: Error: No such file or directory' }
        : { kind: 'done', stdout: this.table };
    }
    const body = stdin.split('delete table ip nuncio_localhost\n')[1] ?? '';
    this.table = this.keeps ? body : '';
    return { kind: 'done', stdout: '' };
  };
  readonly routeLocalnet = {
    isOn: async (name: string) => {
      const isOn = this.localnet.get(name);
      if (isOn === undefined) throw new Error('ENOENT');
      return isOn;
    },
    set: (name: string, isOn: boolean) => {
      if (this.refusal !== undefined) throw this.refusal;
      this.localnet.set(name, isOn);
    },
  };
  methods = async () => [nftMethod(this.run)];
  outgoingInterface = async () => this.way;
  listeners = async () => this.listening;
}

describe('the text of the rules', () => {
  it('replaces our table in one transaction, and guards what is switched on', () => {
    assert.equal(
      nftInstallation({ ...lead, switched: ['eth0'] }),
      `table ip nuncio_localhost {}
delete table ip nuncio_localhost
table ip nuncio_localhost {
  chain output {
    type nat hook output priority -105; policy accept;
    ip daddr 127.0.0.1 tcp dport { 80, 6379 } dnat to 172.17.0.2
  }
  chain postrouting {
    type nat hook postrouting priority 95; policy accept;
    oifname != "lo" ip saddr 127.0.0.0/8 ip daddr 172.17.0.2 masquerade
  }
  chain prerouting {
    type filter hook prerouting priority -300; policy accept;
    iifname "eth0" ip daddr 127.0.0.0/8 drop
    iifname "eth0" ip saddr 127.0.0.0/8 drop
  }
}
`,
    );
    assert.equal(nftRemoval, 'table ip nuncio_localhost {}\ndelete table ip nuncio_localhost\n');
  });

  it('is read back as it was written; a foreign text is nothing', () => {
    for (const standing of [
      { ...lead, switched: ['eth0', 'eth0.10'] },
      { ...lead, ports: [1], switched: [] },
    ]) {
      assert.deepEqual(readNftTable(nftInstallation(standing)), standing);
    }
    assert.deepEqual(readNftTable('tcp dport 6379 dnat to 10.0.0.1'), {
      address: '10.0.0.1',
      ports: [6379],
      switched: [],
    });
    assert.equal(readNftTable('table ip nuncio_localhost {\n}'), undefined);
  });
});

describe('leading localhost', () => {
  it('twice is once, and clearing leaves what was there before', async () => {
    const space = new FakeNamespace();
    assert.deepEqual(await setLead(lead, space), { shadowed: [] });
    const standing = space.table;
    await setLead(lead, space);
    assert.equal(space.table, standing);
    assert.equal(space.localnet.get('eth0'), true);
    assert.equal(await clearLead(lead.address, space), true);
    assert.deepEqual([space.table, space.localnet.get('eth0')], ['', false]);
    assert.equal(await clearLead(lead.address, space), false);
  });

  it('leaves a setting on that somebody else has switched on, without a guard', async () => {
    const space = new FakeNamespace();
    space.localnet.set('eth0', true);
    await setLead(lead, space);
    assert.doesNotMatch(space.table, /drop/);
    await clearLead(undefined, space);
    assert.equal(space.localnet.get('eth0'), true);
  });

  it('follows the ambassador to another interface, and switches the first one off', async () => {
    const space = new FakeNamespace();
    await setLead(lead, space);
    space.localnet.set('eth1', false);
    space.way = 'eth1';
    await setLead({ ...lead, address: '10.9.0.2' }, space);
    assert.deepEqual(
      [...space.localnet],
      [
        ['eth0', false],
        ['eth1', true],
      ],
    );
    assert.match(space.table, /dnat to 10\.9\.0\.2/);
  });

  it("leaves another ambassador's rules alone", async () => {
    const space = new FakeNamespace();
    await setLead(lead, space);
    assert.equal(await clearLead('10.9.0.2', space), false);
    assert.match(space.table, /172\.17\.0\.2/);
  });

  it('tells which listeners are shadowed', async () => {
    const space = new FakeNamespace();
    space.listening = [
      { ip: '0.0.0.0', port: 6379 },
      { ip: '172.17.0.9', port: 80 },
      { ip: '127.0.0.1', port: 81 },
    ];
    assert.deepEqual(await setLead(lead, space), { shadowed: [6379] });
  });

  for (const [what, harm] of [
    ['no route leads to the ambassador', { way: undefined }],
    ['the kernel does not keep the rules', { keeps: false }],
    ['the setting cannot be switched', { refusal: new Error('EPERM') }],
  ] as const) {
    it(`fails and leaves nothing where ${what}`, async () => {
      const space = Object.assign(new FakeNamespace(), harm);
      await assert.rejects(setLead(lead, space));
      assert.equal(space.table, '');
    });
  }
});
