import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import {
  applicationRoots,
  consulName,
  domainFault,
  type Registered,
  readConsulService,
  readRegistrationKey,
  registrationKey,
  serviceRoot,
} from '../../../src/backend/registration-keys.ts';

const blog: Registered = { kind: 'application', domain: 'blog.example.com' };
const mysql: Registered = { kind: 'service', name: 'some-mysql', port: 3306 };

suite('registration keys', () => {
  test('what is written is read back', () => {
    assert.equal(registrationKey('/x', blog, '0a1b'), '/x/apps/blog.example.com/0a1b');
    assert.equal(registrationKey('', mysql, '0a1b'), '/services/some-mysql/3306/0a1b');
    for (const [root, registered] of [
      [applicationRoots[0], blog],
      [serviceRoot, mysql],
    ] as const) {
      const key = registrationKey('', registered, '0a1b').slice(root.length + 1);
      assert.deepEqual(readRegistrationKey(root, key), { kind: 'endpoint', registered, id: '0a1b' });
    }
  });

  test('the older form has the address as one segment more; domains are compared without case', () => {
    assert.deepEqual(readRegistrationKey('/applications', 'Blog.Example.com/0a1b/10.0.0.5:49153'), {
      kind: 'endpoint',
      registered: blog,
      id: '0a1b',
      address: '10.0.0.5:49153',
    });
    assert.deepEqual(readRegistrationKey('/services', 'some-mysql/3306/0a1b/10.0.0.5:49153'), {
      kind: 'endpoint',
      registered: mysql,
      id: '0a1b',
      address: '10.0.0.5:49153',
    });
  });

  test('folders say nothing', () => {
    for (const key of ['', 'blog.example.com/', '/'])
      assert.equal(readRegistrationKey('/apps', key).kind, 'none');
  });

  for (const [root, key, reason] of [
    ['/apps', 'a_b..c/x', 'expected a domain such as blog.example.com or *.example.com, found "a_b..c"'],
    ['/apps', '*/x', /^expected a domain/],
    ['/apps', 'a.*.b/x', /^expected a domain/],
    ['/apps', 'a b/x', /^expected a domain/],
    ['/apps', `${'a'.repeat(300)}/x`, /^expected a domain .*…"$/],
    ['/apps', 'blog.example.com', 'expected a key of the shape <domain>/<id>, found 0 segment(s) at its end'],
    ['/apps', 'blog.example.com/a/b/c', /shape <domain>\/<id>, found 3 segment/],
    ['/apps', `blog.example.com/${'a'.repeat(300)}`, /shape/],
    [
      '/services',
      'redis-A/redis.service',
      /^expected a port \(1 to 65535\) after the service's name, found "redis.service"$/,
    ],
    ['/services', 'mysql/65536/x', /expected a port/],
    ['/services', 'mysql/0/x', /expected a port/],
    ['/services', 'my sql/3306/x', /expected the name of a container/],
    ['/services', 'mysql/3306', /shape <name>\/<port>\/<id>/],
  ] as const) {
    test(`somebody else's key: ${root}/${key.slice(0, 40)}`, () => {
      const reading = readRegistrationKey(root, key);
      assert.ok(reading.kind === 'unreadable');
      if (typeof reason === 'string') assert.equal(reading.reason, reason);
      else assert.match(reading.reason, reason);
    });
  }

  test('domains', () => {
    for (const good of ['a', 'blog.example.com', '*.example.com', '10.0.0.1'])
      assert.equal(domainFault(good), undefined);
    for (const bad of ['', '*', '*.', '**.a', 'a.', '.a', '*.*.a', 'a/b']) assert.ok(domainFault(bad), bad);
  });

  test('in Consul: by tags, and back', () => {
    for (const registered of [blog, mysql]) {
      const { name, tag } = consulName(registered);
      assert.deepEqual(readConsulService(name, ['theirs', tag]), [registered]);
    }
    assert.deepEqual(readConsulService('web', ['v1']), []);
    assert.equal(readConsulService('db', ['nuncio-service=1', 'nuncio-service=2']).length, 2);
    assert.deepEqual(readConsulService('db', ['nuncio-service=x']), [
      { kind: 'unreadable', reason: 'expected a port (1 to 65535) in the tag "nuncio-service=x"' },
    ]);
  });
});
