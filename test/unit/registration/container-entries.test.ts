import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readConsulService, readRegistrationKey } from '../../../src/backend/registration-keys.ts';
import { readValue } from '../../../src/discovery/value-formats.ts';
import type { Container, PublishedPort } from '../../../src/docker/container.ts';
import { containerEntries } from '../../../src/registration/container-entries.ts';
import { consulEntries, etcdEntries } from '../../../src/registration/encode.ts';
import { container } from '../docker/fake-feed.ts';

const id = '0123456789abcdef'.repeat(4);

function tcp(containerPort: number, hostPort: number, hostIp = '0.0.0.0'): PublishedPort {
  return { containerPort, protocol: 'tcp', hostIp, hostPort };
}

function running(env: Readonly<Record<string, string>>, published: readonly PublishedPort[]): Container {
  return container({ id, name: 'some-mysql', env: Object.entries(env), published });
}

function keys(
  env: Readonly<Record<string, string>>,
  published = [tcp(80, 49_153)],
  hostIp = '10.0.0.5',
): string[] {
  const { registrations } = containerEntries(running(env, published), hostIp);
  return [...etcdEntries(registrations, '')].map(([key, value]) => `${key} ${value}`);
}

function problems(
  env: Readonly<Record<string, string>>,
  published = [tcp(80, 49_153)],
  hostIp?: string,
): string {
  return containerEntries(running(env, published), hostIp ?? '10.0.0.5').problems.join('\n');
}

describe('what a container asks for', () => {
  it('is an application for each domain', () => {
    assert.deepEqual(keys({ DOMAIN_NAME: 'blog.domain.com' }), [
      '/apps/blog.domain.com/0123456789ab 10.0.0.5:49153',
    ]);
    assert.deepEqual(keys({ DOMAIN_NAME: 'Blog.example.com, *.example.com,,blog.example.com' }), [
      '/apps/blog.example.com/0123456789ab 10.0.0.5:49153',
      '/apps/*.example.com/0123456789ab 10.0.0.5:49153',
    ]);
  });

  it('is a service of its name for each port', () => {
    const published = [tcp(3306, 49_154), tcp(3307, 49_155)];
    assert.deepEqual(keys({ SERVICE_PORT: '3307,3306' }, published), [
      '/services/some-mysql/3307/0123456789ab 10.0.0.5:49155',
      '/services/some-mysql/3306/0123456789ab 10.0.0.5:49154',
    ]);
  });

  it('is found at the port that is meant, else at the first one that is published', () => {
    const published = [{ ...tcp(53, 1), protocol: 'udp' }, tcp(80, 2), tcp(8080, 3)];
    assert.deepEqual(keys({ SERVICE_PORT: '3306' }, published), [
      '/services/some-mysql/3306/0123456789ab 10.0.0.5:2',
    ]);
    assert.deepEqual(keys({ DOMAIN_NAME: 'a.b:8080,c.d:9' }, published), [
      '/apps/a.b/0123456789ab 10.0.0.5:3',
      '/apps/c.d/0123456789ab 10.0.0.5:2',
    ]);
  });

  it('is at the address that it is published on', () => {
    assert.deepEqual(keys({ DOMAIN_NAME: 'a.b' }, [tcp(80, 7, '10.9.0.1')]), [
      '/apps/a.b/0123456789ab 10.9.0.1:7',
    ]);
    assert.deepEqual(keys({ DOMAIN_NAME: 'a.b' }, [tcp(80, 7, '::')], 'fd00::5'), [
      '/apps/a.b/0123456789ab [fd00::5]:7',
    ]);
  });

  it('is nothing where it asks for nothing, and while it is paused', () => {
    assert.deepEqual(containerEntries(running({}, []), '10.0.0.5'), { registrations: [], problems: [] });
    const paused = { ...running({ DOMAIN_NAME: 'a.b' }, [tcp(80, 1)]), state: 'paused' } as const;
    assert.deepEqual(containerEntries(paused, '10.0.0.5').registrations, []);
  });

  it('is left out where it makes no sense, and the rest is not', () => {
    const env = { DOMAIN_NAME: 'not a domain,a.b,c.d:0', SERVICE_PORT: '0,http,80' };
    assert.equal(keys(env).length, 2);
    assert.equal(
      problems(env),
      [
        'DOMAIN_NAME: expected a domain such as blog.example.com or *.example.com, found "not a domain"',
        'DOMAIN_NAME: expected a port (1 to 65535) after the domain, found "c.d:0"',
        'SERVICE_PORT: expected a port (1 to 65535), found "0"',
        'SERVICE_PORT: expected a port (1 to 65535), found "http"',
      ].join('\n'),
    );
  });

  it('needs a published TCP port, and says so once', () => {
    const env = { DOMAIN_NAME: 'a.b,c.d' };
    assert.equal(problems(env, []), 'no TCP port is published; start it with -P, or with -p PORT');
    assert.match(problems(env, [tcp(80, 1, '127.0.0.1')]), /only this host reaches/);
    assert.match(
      problems({ DOMAIN_NAME: Array.from({ length: 70 }, (_, n) => `a${n}.b`).join() }),
      /first 64/,
    );
  });

  it('never throws, whatever the environment says', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (domains, ports) => {
        const { registrations, problems: told } = containerEntries(
          running({ DOMAIN_NAME: domains, SERVICE_PORT: ports }, [tcp(80, 1)]),
          '10.0.0.5',
        );
        for (const key of etcdEntries(registrations, '').keys())
          assert.match(key, /^\/(apps|services)\/[^ ]+\/[0-9a-f]{12}$/);
        assert.ok(told.every((problem) => problem.length < 400));
      }),
    );
  });
});

describe('in a registry', () => {
  it('etcd has it below a prefix, where there is one', () => {
    const { registrations } = containerEntries(running({ DOMAIN_NAME: 'a.b' }, [tcp(80, 1)]), '10.0.0.5');
    assert.deepEqual([...etcdEntries(registrations, '/eu').keys()], ['/eu/apps/a.b/0123456789ab']);
  });

  it('the gateway reads it as what it was', () => {
    const env = { DOMAIN_NAME: 'Blog.example.com,*.example.com', SERVICE_PORT: '80,3306' };
    const { registrations } = containerEntries(running(env, [tcp(80, 7)]), 'fd00::5');
    const registered = registrations.map((one) => one.registered);
    const fromEtcd = [...etcdEntries(registrations, '')].map(([key, value]) => {
      const [, root = '', rest = ''] = /^(\/[^/]+)\/(.*)$/.exec(key) ?? [];
      const reading = readRegistrationKey(root, rest);
      assert.ok(reading.kind === 'endpoint');
      assert.deepEqual(readValue(value, 'x'), readValue('[fd00::5]:7', 'x'));
      return reading.registered;
    });
    assert.deepEqual(fromEtcd, registered);
    const fromConsul = [...consulEntries(registrations, 'h').values()].map(
      ({ service }) => readConsulService(service.name, service.tags)[0],
    );
    assert.deepEqual(fromConsul, registered);
  });

  it('Consul has it as a service with a check, under an id of this host', () => {
    const env = { DOMAIN_NAME: '*.example.com', SERVICE_PORT: '80', SERVICE_CHECK_HTTP: '/health' };
    const { registrations } = containerEntries(running(env, [tcp(80, 7)]), '10.0.0.5');
    const times = { interval: '5s', timeout: '2s', deregistercriticalserviceafter: '10m', status: 'passing' };
    const http = 'http://10.0.0.5:7/health';
    const at = { address: '10.0.0.5', port: 7 };
    assert.deepEqual(Object.fromEntries(consulEntries(registrations, 'h')), {
      'nuncio:h:0123456789ab:*.example.com:nuncio-app': {
        service: { name: '*.example.com', tags: ['nuncio-app'], ...at },
        check: { ...times, http, header: { Host: ['example.com'] } },
      },
      'nuncio:h:0123456789ab:some-mysql:nuncio-service=80': {
        service: { name: 'some-mysql', tags: ['nuncio-service=80'], ...at },
        check: { ...times, http, header: {} },
      },
    });
    const plain = containerEntries(running({ DOMAIN_NAME: 'a.b' }, [tcp(80, 7)]), '10.0.0.5');
    const [entry] = consulEntries(plain.registrations, 'h').values();
    assert.deepEqual(entry?.check, { ...times, tcp: '10.0.0.5:7' });
  });
});
