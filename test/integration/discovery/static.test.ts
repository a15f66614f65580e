import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { sleep } from '../../../src/core/backoff.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { HostAddresses } from '../../../src/discovery/dns/addresses.ts';
import { DnsClient } from '../../../src/discovery/dns/client.ts';
import { FreshFile } from '../../../src/discovery/dns/fresh-file.ts';
import { parseHosts } from '../../../src/discovery/dns/hosts-file.ts';
import { parseResolvConf, type ResolvConf } from '../../../src/discovery/dns/resolv-conf.ts';
import { StaticResolver } from '../../../src/discovery/static.ts';
import { resourcesNow } from '../../support/resources.ts';
import { Updates } from '../../support/updates.ts';
import { Dnsmasq } from './dnsmasq.ts';

const never = new AbortController().signal;

function clientOf({ address }: Dnsmasq, rest: Partial<ResolvConf> = {}): DnsClient {
  const conf = { ...parseResolvConf(''), nameservers: [address], timeoutMs: 10_000, ...rest };
  return new DnsClient({ config: async () => conf });
}

/** What a client says: addresses in order, or the kind of the outcome. */
async function ask(client: DnsClient, name: string): Promise<string> {
  const found = await client.lookup(name, ['A', 'AAAA'], never);
  if (found.kind !== 'records') return found.kind;
  return found.records
    .map(({ data }) => data)
    .toSorted()
    .join(' ');
}

/** Time to live and back-off pass twenty times as fast; the wait for the first answers stays as it is. */
const quickly = (ms: number, signal: AbortSignal) => sleep(ms === 3000 ? ms : ms / 20, signal);

/** Follows `host:80` through a resolver, and keeps what is told and what is warned of. */
function follow(server: Dnsmasq, host: string, hosts: () => Promise<ReadonlyMap<string, readonly string[]>>) {
  const end = new AbortController();
  const updates = new Updates();
  const { promise: warned, resolve } = Promise.withResolvers<string>();
  const resolver = new StaticResolver({
    addresses: new HostAddresses({ client: clientOf(server), hosts }),
    logger: { ...silentLogger, warn: resolve },
    sleep: quickly,
  });
  resolver.watch({ kind: 'static', endpoints: [{ host, port: 80 }] }, updates.onUpdate, end.signal);
  return { updates, warned, [Symbol.dispose]: () => end.abort() };
}

const noHosts = async () => new Map<string, readonly string[]>();

describe('names through dnsmasq', () => {
  it('have both families, aliases, the search list, and more addresses than UDP carries', async () => {
    const many = Array.from({ length: 80 }, (_, index) => `10.1.0.${index + 1}`);
    await using server = await Dnsmasq.start(
      [
        '--local=/example/',
        '--host-record=db.example,10.0.0.1,fd00::1',
        '--host-record=four.example,10.0.0.4',
        '--cname=alias.example,db.example',
      ],
      many.map((ip) => `${ip} many.example\n`).join(''),
    );
    const client = clientOf(server, { search: ['test.example', 'example'] });
    assert.equal(await ask(client, 'db.example'), '10.0.0.1 fd00::1');
    assert.equal(await ask(client, 'four.example'), '10.0.0.4');
    assert.equal(await ask(client, 'ALIAS.example'), '10.0.0.1 fd00::1');
    assert.equal(await ask(client, 'db'), '10.0.0.1 fd00::1');
    assert.equal(await ask(client, 'many.example'), many.toSorted().join(' '));
    assert.equal(await ask(client, 'gone.example'), 'nonexistent');
  });

  it('that dnsmasq refuses to look up are unknown, not absent', async () => {
    await using server = await Dnsmasq.start([]);
    assert.equal(await ask(clientOf(server), 'elsewhere.test'), 'failed');
  });
});

describe('a static list through dnsmasq', () => {
  it('follows the records', async () => {
    await using server = await Dnsmasq.start(['--local=/example/'], '10.0.0.1 db.example\n');
    using on = follow(server, 'db.example', noHosts);
    assert.equal(await on.updates.text(), '10.0.0.1:80');
    await server.rewrite('10.0.0.1 db.example\n10.0.0.2 db.example\n');
    assert.equal(await on.updates.text(), '10.0.0.1:80 10.0.0.2:80');
    await server.rewrite('');
    assert.equal(await on.updates.text(), 'nothing');
    await server.rewrite('fd00::3 db.example\n');
    assert.equal(await on.updates.text(), '[fd00::3]:80');
  });

  it('keeps its addresses while the server is dead, and follows it again when it is back', async () => {
    await using server = await Dnsmasq.start(['--local=/example/'], '10.0.0.1 db.example\n');
    using on = follow(server, 'db.example', noHosts);
    assert.equal(await on.updates.text(), '10.0.0.1:80');
    await server.kill();
    assert.match(await on.warned, /cannot resolve "db\.example".*ECONNREFUSED.*; its last addresses stay/);
    assert.equal(on.updates.count, 1);
    await server.run();
    await server.rewrite('10.0.0.2 db.example\n');
    assert.equal(await on.updates.text(), '10.0.0.2:80');
    assert.equal(on.updates.count, 2);
  });

  it('says that nothing is known where the server is dead from the start, and the set when it comes', async () => {
    await using server = await Dnsmasq.start(['--local=/example/'], '10.0.0.1 db.example\n');
    await server.kill();
    using on = follow(server, 'db.example', noHosts);
    assert.equal(await on.updates.text(), 'ERR_RESOLVE_FAILED');
    await server.run();
    assert.equal(await on.updates.text(), '10.0.0.1:80');
  });

  it('prefers the hosts file, and sees it change', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'nci-hosts-'));
    const path = join(folder, 'hosts');
    const file = new FreshFile(path, parseHosts);
    await using server = await Dnsmasq.start(['--local=/example/'], '10.0.0.1 db.example\n');
    using on = follow(server, 'db.example', () => file.read());
    assert.equal(await on.updates.text(), '10.0.0.1:80');
    await writeFile(path, '172.17.0.5 db.example\n');
    assert.equal(await on.updates.text(), '172.17.0.5:80');
    await rm(folder, { recursive: true });
    assert.equal(await on.updates.text(), '10.0.0.1:80');
  });

  it('leaves nothing open when it ends', async () => {
    await using server = await Dnsmasq.start(['--local=/example/'], '10.0.0.1 db.example\n');
    const backToStart = await resourcesNow();
    const on = follow(server, 'db.example', noHosts);
    await on.updates.next();
    on[Symbol.dispose]();
    await backToStart();
  });
});
