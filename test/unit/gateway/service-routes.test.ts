import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Source } from '../../../src/backend/backend.ts';
import { commonRoutes, linkedCaller, type Services } from '../../../src/gateway/service-routes.ts';
import { container } from '../docker/fake-feed.ts';

const source = (name: string): Source => ({ kind: 'docker', name });
const services: Services = new Map([
  [
    3306,
    new Map([
      ['some-mysql', source('some-mysql')],
      ['other-mysql', source('other-mysql')],
    ]),
  ],
  [6379, new Map([['redis', source('redis')]])],
]);
const isSelf = (target: string) => target === 'dynamic-ambassador';

/** Which service each port leads to. */
function names(routes: ReturnType<typeof commonRoutes> | undefined): Record<string, string> {
  return Object.fromEntries(
    [...(routes ?? [])].map(([port, route]) => {
      assert.ok(route.ok && route.value.source.kind === 'docker');
      return [port, route.value.source.name];
    }),
  );
}

function linked(...aliases: string[]) {
  const links = aliases.map((alias) => ({ target: 'dynamic-ambassador', alias }));
  return linkedCaller(container({ links }), services, isSelf);
}

suite('which service a port leads to', () => {
  test('the first by name, for everybody', () => {
    assert.deepEqual(names(commonRoutes(services)), { 3306: 'other-mysql', 6379: 'redis' });
  });

  test('the one that the alias of the link names', () => {
    assert.deepEqual(names(linked('some-mysql')?.routes), { 3306: 'some-mysql', 6379: 'redis' });
    assert.deepEqual(names(linked('x', 'some-mysql')?.routes), { 3306: 'some-mysql', 6379: 'redis' });
  });

  test('an alias that names none, or the first, or a link to another container: like everybody', () => {
    for (const aliases of [[], ['mysql'], ['other-mysql'], ['redis']])
      assert.equal(linked(...aliases), undefined);
    const links = [{ target: 'somebody', alias: 'some-mysql' }];
    assert.equal(linkedCaller(container({ links }), services, isSelf), undefined);
  });

  test('a container without an address of its own is nobody', () => {
    const links = [{ target: 'dynamic-ambassador', alias: 'some-mysql' }];
    assert.equal(linkedCaller(container({ links, addresses: [] }), services, isSelf), undefined);
  });
});
