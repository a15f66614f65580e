import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RuleSet } from '../../../src/nat/rules.ts';
import { own } from '../namespaces/wire.ts';
import { Namespaces } from './namespaces.ts';

const rules: RuleSet = { kind: 'redirect', proxyPort: 10000, exceptPorts: [] };

/** Stands before every rule of Nuncio and sends what it would take somewhere else. */
const shadow = (verdict: string) =>
  `table inet shadow { chain output { type nat hook output priority -150; meta l4proto tcp ${verdict}; }; }`;

describe('the probe', () => {
  it('connects only where somebody listens', async () => {
    await using spaces = new Namespaces();
    const ambassador = spaces.ambassador();
    const port = await ambassador.ask<number>({ do: 'listen', host: '::', port: 0, text: 'here' });
    for (const ip of [own[4], own[6], '127.0.0.1', '::1']) {
      assert.deepEqual(await ambassador.ask({ do: 'dial-marked', ip, port }), { kind: 'accepted' });
      assert.deepEqual(await ambassador.ask({ do: 'dial-marked', ip, port: 1 }), { kind: 'refused' });
    }
  });

  it('touches nobody else: the ambassador’s own connections go where they are sent', async () => {
    await using spaces = new Namespaces();
    const ambassador = spaces.ambassador();
    await ambassador.ask({ do: 'install', rules });
    await ambassador.ask({ do: 'listen', host: '::', port: 80, text: 'web' });
    for (const ip of [own[4], own[6], '127.0.0.1']) {
      assert.equal(await ambassador.ask({ do: 'dial', ip, port: 80 }), 'web');
      assert.equal(await ambassador.ask({ do: 'dial', ip, port: 81 }), 'ECONNREFUSED');
    }
  });

  it('leaves the proxy’s port free', async () => {
    await using spaces = new Namespaces();
    const ambassador = spaces.ambassador();
    await ambassador.ask({ do: 'install', rules });
    await ambassador.ask({ do: 'listen', host: '::', port: 10000 });
    await ambassador.ask({ do: 'install', rules });
  });

  for (const [what, verdict, said] of [
    [
      'take the connection to another port',
      'redirect to :9',
      /the probe connection to 10\.213\.0\.1:1 was refused/,
    ],
    [
      'take the connection to a port that another program serves',
      'redirect to :7',
      /went to another program/,
    ],
  ] as const) {
    it(`finds out rules that ${what}`, async () => {
      await using spaces = new Namespaces();
      // One method only: each waits for the probe's time.
      const ambassador = spaces.ambassador({ programs: ['nft'] });
      await ambassador.ask({ do: 'listen', host: '::', port: 7, text: 'another' });
      spaces.nft(shadow(verdict));
      const before = spaces.exec('nft', ['list', 'ruleset']);
      const { error } = await ambassador.tell({ do: 'install', rules });
      assert.equal(error?.code, 'ERR_RULES');
      assert.match(error?.message ?? '', said);
      assert.match(error?.message ?? '', /look for other rules.*nft list ruleset/);
      assert.match(spaces.exec('nft', ['list', 'ruleset']), new RegExp(escaped(before)));
      assert.doesNotMatch(spaces.dump(), /nuncio/i);
    });
  }

  it('finds out a filter that drops', async () => {
    await using spaces = new Namespaces();
    const ambassador = spaces.ambassador();
    await ambassador.ask({ do: 'install', rules });
    spaces.nft('table inet f { chain input { type filter hook input priority 0; tcp dport 10000 drop; }; }');
    const found = JSON.stringify(await ambassador.ask({ do: 'find', rules }));
    assert.match(found, /"absent".*got no answer \(dropped by a filter\?\)/);
  });

  it('tells whether somebody’s rules are there: without NET_ADMIN, with Docker’s ordinary capabilities', async () => {
    await using spaces = new Namespaces();
    const [setup, plain] = [spaces.ambassador(), spaces.ambassador({ without: ['net_admin'] })];
    assert.equal(await plain.ask({ do: 'may' }), false);
    assert.match(JSON.stringify(await plain.ask({ do: 'find', rules })), /"absent".*refused/);
    await setup.ask({ do: 'install', rules });
    assert.deepEqual(await plain.ask({ do: 'find', rules }), { kind: 'present' });
    await setup.ask({ do: 'remove' });
    assert.match(JSON.stringify(await plain.ask({ do: 'find', rules })), /"absent"/);
  });

  it('does not guess where it may not mark packets', async () => {
    await using spaces = new Namespaces();
    const bare = spaces.ambassador({ without: ['net_admin', 'net_raw'] });
    assert.match(JSON.stringify(await bare.ask({ do: 'find', rules })), /"unknown".*EPERM.*CAP_NET_RAW/);
  });

  it('needs no more than NET_ADMIN', async () => {
    await using spaces = new Namespaces();
    const without = ['net_raw', 'sys_admin', 'net_bind_service', 'sys_module', 'sys_ptrace'];
    await spaces.ambassador({ without }).ask({ do: 'install', rules });
  });

  it('is not the first to say that NET_ADMIN is missing', async () => {
    await using spaces = new Namespaces();
    const plain = spaces.ambassador({ without: ['net_admin'] });
    for (const command of [{ do: 'install', rules }, { do: 'remove' }, { do: 'keep', rules }] as const) {
      const { error } = await plain.tell(command);
      assert.equal(error?.code, 'ERR_RULES');
      assert.match(error?.message ?? '', /lacks CAP_NET_ADMIN; run the container with --cap-add NET_ADMIN/);
    }
  });
});

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
