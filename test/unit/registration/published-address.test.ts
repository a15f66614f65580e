import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PublishedPort } from '../../../src/docker/container.ts';
import { publishedAddress } from '../../../src/registration/published-address.ts';

function at(hostIp: string, hostPort: number, rest: Partial<PublishedPort> = {}): PublishedPort {
  return { containerPort: 80, protocol: 'tcp', hostIp, hostPort, ...rest };
}

function told(published: readonly PublishedPort[], hostIp?: string): string {
  const address = publishedAddress({ name: 'apache', published }, 80, hostIp);
  if (!address.ok) return address.error.message;
  return `${address.value.host} ${address.value.port}`;
}

describe('the address that a port is published on', () => {
  const table: readonly [
    what: string,
    published: PublishedPort[],
    hostIp: string | undefined,
    told: string,
  ][] = [
    ['is as published', [at('10.132.181.182', 49_155)], undefined, '10.132.181.182 49155'],
    ['is as published, whatever the host says', [at('10.0.0.5', 1)], '10.0.0.9', '10.0.0.5 1'],
    ['is the one that names an address', [at('0.0.0.0', 1), at('10.0.0.5', 2)], undefined, '10.0.0.5 2'],
    ['is one that others reach', [at('127.0.0.1', 1), at('10.0.0.5', 2)], undefined, '10.0.0.5 2'],
    ["is the host's where every address is meant", [at('0.0.0.0', 1)], '10.0.0.9', '10.0.0.9 1'],
    ['has the port of its family', [at('0.0.0.0', 1), at('::', 2)], 'fd00::9', 'fd00::9 2'],
    ['has the port of IPv4 for a name', [at('::', 2), at('0.0.0.0', 1)], 'host-1', 'host-1 1'],
    ['does with the other family', [at('::', 2)], '10.0.0.9', '10.0.0.9 2'],
    ['is that of TCP', [at('10.0.0.5', 1, { protocol: 'udp' }), at('10.0.0.5', 2)], undefined, '10.0.0.5 2'],
  ];
  for (const [what, published, hostIp, expected] of table) {
    it(what, () => assert.equal(told(published, hostIp), expected));
  }

  it('is never one that nobody could dial', () => {
    assert.match(told([at('0.0.0.0', 1)]), /on 0\.0\.0\.0:1, which is no address to dial: .*--host-ip/);
    assert.match(told([at('127.0.0.1', 1)], '10.0.0.9'), /only this host reaches; start it with -p /);
    assert.match(told([]), /publishes no port, not 80\/tcp; start it with -p <address of this host>::80/);
    const others = [at('10.0.0.5', 1, { containerPort: 443 }), at('10.0.0.5', 2, { protocol: 'udp' })];
    assert.match(told(others), /publishes 443\/tcp, 80\/udp, not 80\/tcp/);
  });
});
