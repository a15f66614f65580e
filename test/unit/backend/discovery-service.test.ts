import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeSource } from '../../../src/backend/backend.ts';
import { parseDiscovery, serviceBackend } from '../../../src/backend/discovery-service.ts';

/** The descriptor that a service at a discovery comes to. */
function found(discovery: string, service: string, ...tags: string[]): string {
  const parsed = parseDiscovery(discovery);
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.error.message);
  return describeSource(serviceBackend(parsed.value, service, tags).source);
}

describe("embassy's services", () => {
  const cases: readonly [discovery: string, service: string, tags: string[], descriptor: string][] = [
    ['etcd://10.0.0.1:4001', '/services/prod/db', [], 'etcd://10.0.0.1:4001/services/prod/db'],
    ['etcd://a:1,b:2', 'db', ['master'], 'etcd://a:1,b:2/db?tag=master'],
    [
      'etcd://a/services/prod/',
      'redis.master',
      ['x', 'y'],
      'etcd://a:2379/services/prod/redis.master?tag=x,y',
    ],
    ['consul://h:8500', 'frontend_http', [], 'consul-service://h:8500/frontend_http'],
    ['consul://h/', 'db', ['master'], 'consul-service://h:8500/db?tag=master'],
    ['consul://h', '/services/db', [], 'consul://h:8500/services/db'],
  ];
  for (const [discovery, service, tags, descriptor] of cases) {
    it(`${service} at ${discovery} is ${descriptor}`, () =>
      assert.equal(found(discovery, service, ...tags), descriptor));
  }

  for (const [text, column] of [
    ['', 1],
    ['http://h', 1],
    ['etcd://', 8],
    ['etcd://h:x', 10],
    ['consul://h:8500/path', 17],
    ['etcd://h/p?tag=a', 11],
  ] as const) {
    it(`refuses ${JSON.stringify(text)} at column ${column}`, () => {
      const parsed = parseDiscovery(text);
      assert.equal(parsed.ok ? undefined : parsed.error.column, column);
    });
  }
});
