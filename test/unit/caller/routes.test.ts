import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Backend } from '../../../src/backend/backend.ts';
import { describeSource } from '../../../src/backend/backend.ts';
import { type RouteOptions, readRoutes } from '../../../src/caller/routes.ts';
import { ok } from '../../../src/core/result.ts';

const strict: RouteOptions = { allowLocalTargets: false };

function read(
  env: Readonly<Record<string, string>> | readonly (readonly [string, string])[],
  labels: Readonly<Record<string, string>> = {},
  options = strict,
) {
  const pairs = Array.isArray(env) ? env : Object.entries(env);
  const container = { name: 'web-1', env: pairs, labels: new Map(Object.entries(labels)) };
  const { routes, problems } = readRoutes(container, options);
  return {
    routes: Object.fromEntries(
      [...routes].map(([port, route]) => [
        port,
        route.ok ? describeSource(route.value.source) : `${route.error.code} ${route.error.message}`,
      ]),
    ),
    problems: problems.map((problem) => `${problem.code} ${problem.message}`),
    raw: routes,
  };
}

test('variables by port, compared without case; other variables are nothing', () => {
  const env = {
    BACKEND_6379: 'redis-1:6379,redis-2:6379',
    backend_80: 'web:8080',
    PATH: '/bin',
    BACKEND_: 'x',
    XBACKEND_1: 'y',
  };
  const { routes, problems } = read(env);
  assert.deepEqual(routes, { 6379: 'redis-1:6379,redis-2:6379', 80: 'web:8080' });
  assert.deepEqual(problems, []);
});

test('labels of connectable; the environment beats a label for the same port', () => {
  const { routes, problems } = read(
    { BACKEND_80: 'env:1' },
    { 'connect.80': 'label:1', 'connect.81': 'label:2', other: 'x' },
  );
  assert.deepEqual(routes, { 80: 'env:1', 81: 'label:2' });
  assert.deepEqual(problems, []);
});

test('a bad descriptor is its port’s error, with container, variable, column and what was expected', () => {
  const { routes, raw } = read({ BACKEND_6379: 'redis-1:', BACKEND_80: 'web:80' }, { 'connect.81': 'a:b' });
  assert.equal(
    routes[6379],
    'ERR_DESCRIPTOR_SYNTAX container web-1, BACKEND_6379, column 9: expected a port (1 to 65535), found the end',
  );
  assert.match(
    routes[81] ?? '',
    /^ERR_DESCRIPTOR_SYNTAX container web-1, label connect\.81, column 3: expected/,
  );
  assert.equal(routes[80], 'web:80');
  const error = raw.get(6379);
  assert.equal(error?.ok === false && error.error.column, 9);
});

test('docker:// takes the dialled port where it names none', () => {
  assert.deepEqual(read({ BACKEND_80: 'docker://web', BACKEND_81: 'docker://web:8080' }).routes, {
    80: 'docker://web:80',
    81: 'docker://web:8080',
  });
});

test('two variables for one port: the first stays, the second is a problem', () => {
  const { routes, problems } = read([
    ['BACKEND_80', 'first:1'],
    ['backend_80', 'second:1'],
    ['BACKEND_080', 'third:1'],
    ['BACKEND_80', 'fourth:1'],
  ]);
  assert.deepEqual(routes, { 80: 'first:1' });
  assert.equal(problems.length, 3);
  assert.match(problems[0] ?? '', /container web-1, backend_80: port 80 is defined by BACKEND_80 already/);
});

test('a variable without a port is a problem, not a route', () => {
  const { routes, problems } = read(
    { BACKEND_70000: 'a:1', BACKEND_0: 'a:1', BACKEND_URL: 'http://api' },
    { 'connect.x': 'a:1' },
  );
  assert.deepEqual(routes, {});
  assert.deepEqual(
    problems.map((problem) => problem.split(' ')[0]),
    ['ERR_DESCRIPTOR_SYNTAX', 'ERR_DESCRIPTOR_SYNTAX', 'ERR_NO_ROUTE', 'ERR_DESCRIPTOR_SYNTAX'],
  );
  assert.match(problems.join('\n'), /BACKEND_URL: names no port/);
  assert.match(problems.join('\n'), /BACKEND_70000: "70000" is no port/);
  assert.match(problems.join('\n'), /label connect\.x: "x" is no port/);
});

test('embassy: known by its ";", also under a number; without --discovery refused by name', () => {
  const { routes, problems } = read({
    BACKEND_DB: 'db[master,eu];3306',
    BACKEND_1: 'redis;6379',
    BACKEND_BAD: 'redis;',
  });
  assert.deepEqual(Object.keys(routes), ['3306', '6379']);
  assert.match(
    routes[3306] ?? '',
    /^ERR_NOT_IN_BUILD container web-1, BACKEND_DB: the service "db" .*--discovery/,
  );
  assert.match(
    problems[0] ?? '',
    /^ERR_DESCRIPTOR_SYNTAX container web-1, BACKEND_BAD, column 7: expected a port/,
  );
});

test('embassy: resolved through --discovery, with service and tags', () => {
  const asked: unknown[] = [];
  const backend: Backend = { source: { kind: 'docker', name: 'db' }, options: {} };
  const discovery = (service: string, tags: readonly string[]) => {
    asked.push([service, tags]);
    return ok(backend);
  };
  const { routes } = read({ BACKEND_DB: 'db[master];3306' }, {}, { allowLocalTargets: false, discovery });
  assert.deepEqual(asked, [['db', ['master']]]);
  assert.deepEqual(routes, { 3306: 'docker://db:3306' });
});

test('loopback and link-local addresses are refused unless allowed; 0.0.0.0 always', () => {
  for (const host of [
    '127.0.0.1',
    '127.9.9.9',
    '169.254.169.254',
    '[::1]',
    '[fe80::1]',
    '[::ffff:127.0.0.1]',
  ]) {
    const refused = read({ BACKEND_80: `good:1,${host}:80` }).routes[80] ?? '';
    assert.match(
      refused,
      /^ERR_DESCRIPTOR_REFUSED container web-1, BACKEND_80: .* ambassador's own machine/,
      host,
    );
    const allowed = read({ BACKEND_80: `${host}:80` }, {}, { allowLocalTargets: true }).routes[80] ?? '';
    assert.doesNotMatch(allowed, /^ERR/, host);
  }
  for (const host of ['0.0.0.0', '[::]']) {
    const found = read(
      { BACKEND_80: `${host}:80` },
      { 'connect.81': `${host}:81` },
      { allowLocalTargets: true },
    ).routes;
    assert.match(found[80] ?? '', /^ERR_DESCRIPTOR_REFUSED/, host);
    assert.match(found[81] ?? '', /^ERR_DESCRIPTOR_REFUSED .* label connect\.81/, host);
  }
  assert.equal(read({ BACKEND_80: '10.0.0.1:80,[fd00::1]:80' }).routes[80], '10.0.0.1:80,[fd00::1]:80');
});

test('only the registries that the operator allows, where he names them', () => {
  const env = {
    BACKEND_1: 'etcd://etcd-1:2379,etcd-2:2379/db',
    BACKEND_2: 'etcd://etcd-1:2379,stranger:2379/db',
    BACKEND_3: 'consul://consul/db',
    BACKEND_4: 'consul-service://stranger:8500/db',
    BACKEND_5: 'redis:6379',
  };
  const registries = new Set(['etcd-1:2379', 'etcd-2:2379', 'consul:8500']);
  const { routes } = read(env, {}, { ...strict, registries });
  assert.equal(routes[1], 'etcd://etcd-1:2379,etcd-2:2379/db');
  assert.match(
    routes[2] ?? '',
    /^ERR_DESCRIPTOR_REFUSED .*BACKEND_2: the registry stranger:2379 .*--registries/,
  );
  assert.equal(routes[3], 'consul://consul:8500/db');
  assert.match(routes[4] ?? '', /stranger:8500/);
  assert.equal(routes[5], 'redis:6379');
  assert.equal(read(env).routes[4], 'consul-service://stranger:8500/db');
});

test('variables may begin otherwise: embassy’s -prefix', () => {
  const options = { ...strict, variablePrefix: 'Amb_' };
  const { routes, problems } = read(
    { AMB_80: 'web:8080', BACKEND_81: 'a:1', AMB_: 'x', AMB_X: 'a:1' },
    {},
    options,
  );
  assert.deepEqual(routes, { 80: 'web:8080' });
  assert.deepEqual(problems, [
    'ERR_NO_ROUTE container web-1, AMB_X: names no port (Amb_<port>=…), so it makes no route',
  ]);
});
