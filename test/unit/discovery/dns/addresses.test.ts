import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { AppError } from '../../../../src/core/errors.ts';
import { HostAddresses, sorted, systemDns } from '../../../../src/discovery/dns/addresses.ts';
import type { DnsClient, DnsLookup } from '../../../../src/discovery/dns/client.ts';
import { parseHosts } from '../../../../src/discovery/dns/hosts-file.ts';
import { startDnsServer, zone } from '../../../support/dns-server.ts';

const never = new AbortController().signal;
const error = new AppError('ERR_RESOLVE_FAILED', 'nobody could say');
const server = { ip: '10.0.0.53', port: 53 };

/** Host addresses over a client that says always the same. */
function over(found: DnsLookup, hosts = ''): { addresses: HostAddresses; asked: string[] } {
  const asked: string[] = [];
  const client = {
    lookup: async (name: string, types: readonly string[]) => {
      asked.push(`${types.join('+')} ${name}`);
      return found;
    },
  } as Pick<DnsClient, 'lookup'>;
  return { addresses: new HostAddresses({ client, hosts: async () => parseHosts(hosts) }), asked };
}

const found = (
  records: readonly (readonly ['A' | 'AAAA', string])[],
  rest: Partial<Extract<DnsLookup, { kind: 'records' }>> = {},
): DnsLookup => ({
  kind: 'records',
  records: records.map(([type, data]) => ({ type, data })),
  ttlSeconds: 30,
  server,
  unknown: [],
  ...rest,
});

describe('addresses of a host name', () => {
  it('come from the hosts file where it has the name', async () => {
    const { addresses, asked } = over({ kind: 'nonexistent' }, '10.0.0.9 db\nfd00::1 db\n10.0.0.10 db');
    for (const name of ['db', 'DB', 'db.']) {
      assert.deepEqual(await addresses.lookup(name, never), {
        kind: 'addresses',
        addresses: ['10.0.0.10', '10.0.0.9', 'fd00::1'],
        askAgainMs: 5000,
      });
    }
    assert.deepEqual(asked, []);
  });

  it('come from DNS otherwise, in an order that does not depend on the answer', async () => {
    const { addresses, asked } = over(
      found([
        ['A', '10.0.0.2'],
        ['A', '10.0.0.1'],
        ['AAAA', 'fd00::2'],
        ['AAAA', 'fd00::1'],
        ['A', '10.0.0.2'],
      ]),
    );
    assert.deepEqual(await addresses.lookup('db', never), {
      kind: 'addresses',
      addresses: ['10.0.0.1', '10.0.0.2', 'fd00::1', 'fd00::2'],
      askAgainMs: 30_000,
    });
    assert.deepEqual(asked, ['A+AAAA db']);
  });

  const times: readonly (readonly [what: string, ttlSeconds: number, server: string, askAgainMs: number])[] =
    [
      ['no time to live', 0, '10.0.0.53', 1000],
      ['a usual one', 5, '10.0.0.53', 5000],
      ['a long one', 86_400, '10.0.0.53', 60_000],
      ["Docker's own server", 600, '127.0.0.11', 2000],
    ];
  for (const [what, ttlSeconds, ip, askAgainMs] of times) {
    it(`are asked for again after ${askAgainMs} ms: ${what}`, async () => {
      const { addresses } = over(found([['A', '10.0.0.1']], { ttlSeconds, server: { ip, port: 53 } }));
      const answer = await addresses.lookup('db', never);
      assert.equal(answer.kind === 'addresses' && answer.askAgainMs, askAgainMs);
    });
  }

  it('are none, or unknown, or unknown of one family', async () => {
    assert.deepEqual(await over({ kind: 'nonexistent' }).addresses.lookup('db', never), {
      kind: 'none',
      askAgainMs: 5000,
    });
    const failed = over({ kind: 'failed', error, isSilent: true });
    assert.deepEqual(await failed.addresses.lookup('db', never), { kind: 'failed', error });
    for (const [type, family] of [
      ['A', 4],
      ['AAAA', 6],
    ] as const) {
      const half = over(found([], { unknown: [{ type, error }] }));
      const answer = await half.addresses.lookup('db', never);
      assert.equal(answer.kind === 'addresses' && answer.unknownFamily, family);
    }
  });

  it('are sorted within their family', () => {
    assert.deepEqual(sorted(['fd00::1', '10.0.0.2', '10.0.0.1', '10.0.0.2']), [
      '10.0.0.1',
      '10.0.0.2',
      'fd00::1',
    ]);
  });

  it('follow the files of the machine', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'nci-addresses-'));
    const hosts = join(folder, 'hosts');
    await writeFile(hosts, '10.0.0.1 db\n');
    const addresses = systemDns({ hostsPath: hosts, resolvConfPath: join(folder, 'resolv.conf') }).addresses;
    const now = async () => {
      const answer = await addresses.lookup('db', never);
      return answer.kind === 'addresses' ? answer.addresses : answer.kind;
    };
    assert.deepEqual(await now(), ['10.0.0.1']);
    await writeFile(hosts, '10.0.0.222 db\n');
    assert.deepEqual(await now(), ['10.0.0.222']);
    await rm(folder, { recursive: true });
  });

  it('come from the servers that are named instead of those of resolv.conf, by its search list', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'nci-addresses-'));
    const resolvConfPath = join(folder, 'resolv.conf');
    await writeFile(resolvConfPath, 'nameserver 192.0.2.1\nsearch example\noptions timeout:30\n');
    await using named = await startDnsServer(zone({ 'db.example': ['10.0.0.7'] }));
    const dns = systemDns({ servers: [named.address], hostsPath: join(folder, 'none'), resolvConfPath });
    const answer = await dns.addresses.lookup('db', never);
    assert.deepEqual(answer.kind === 'addresses' && answer.addresses, ['10.0.0.7']);
    assert.equal((await dns.client.lookup('db.example', ['A'], never)).kind, 'records');
    await rm(folder, { recursive: true });
  });
});
