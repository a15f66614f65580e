import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAsListed, readContainer, readListing, sameContainer } from '../../../src/docker/inspect.ts';

const id = 'a'.repeat(64);

function answer(rest: object = {}): object {
  return {
    Id: id,
    Name: '/web-1',
    Image: 'sha256:web',
    State: { Running: true, Paused: false, Restarting: false, Dead: false, Pid: 4711 },
    Config: { Env: ['A=1'], Labels: { x: 'y' } },
    HostConfig: { NetworkMode: 'default' },
    NetworkSettings: {
      Networks: { bridge: { NetworkID: 'n1', IPAddress: '172.17.0.2', GlobalIPv6Address: '' } },
    },
    ...rest,
  };
}

function read(rest: object = {}) {
  const result = readContainer(answer(rest));
  assert.ok(result.ok, 'parses');
  return result.value;
}

test('an inspection becomes a container', () => {
  assert.deepEqual(read(), {
    id,
    name: 'web-1',
    state: 'running',
    health: 'none',
    env: [['A', '1']],
    labels: new Map([['x', 'y']]),
    networks: [{ id: 'n1', name: 'bridge', addresses: ['172.17.0.2'] }],
    published: [],
    links: [],
    networkMode: 'bridge',
    image: 'sha256:web',
    pid: 4711,
  });
});

test('every address of every network, IPv4 first, canonical; what is empty or link-local is left out', () => {
  const Networks = {
    zoo: { NetworkID: 'n3', IPAddress: '10.2.0.9', GlobalIPv6Address: '2001:DB8:0:0::0009' },
    app: { NetworkID: 'n2', IPAddress: '10.1.0.9', GlobalIPv6Address: 'fe80::1' },
    six: { NetworkID: 'n4', IPAddress: '', GlobalIPv6Address: 'fd00::0:2' },
    link: { NetworkID: 'n5', IPAddress: '169.254.8.1' },
    host: { NetworkID: 'n6', IPAddress: '', GlobalIPv6Address: '' },
    odd: null,
  };
  assert.deepEqual(read({ NetworkSettings: { Networks } })?.networks, [
    { id: 'n2', name: 'app', addresses: ['10.1.0.9'] },
    { id: 'n4', name: 'six', addresses: ['fd00::2'] },
    { id: 'n3', name: 'zoo', addresses: ['10.2.0.9', '2001:db8::9'] },
  ]);
});

test('published ports, by container port; what is only exposed, or no port, is left out', () => {
  const Ports = {
    '443/tcp': null,
    '53/udp': [{ HostIp: '10.0.0.5', HostPort: '1053' }],
    '8080/tcp': [
      { HostIp: '0.0.0.0', HostPort: '32768' },
      { HostIp: '::', HostPort: '32769' },
    ],
    '80': [{ HostIp: '', HostPort: '8080' }],
    '90/tcp': [{ HostIp: 'x', HostPort: '1' }, { HostIp: '10.0.0.5', HostPort: '' }, null],
    'odd/tcp': [{ HostIp: '10.0.0.5', HostPort: '2' }],
  };
  assert.deepEqual(read({ NetworkSettings: { Ports } })?.published, [
    { containerPort: 53, protocol: 'udp', hostIp: '10.0.0.5', hostPort: 1053 },
    { containerPort: 80, protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 8080 },
    { containerPort: 8080, protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 32_768 },
    { containerPort: 8080, protocol: 'tcp', hostIp: '::', hostPort: 32_769 },
  ]);
});

test('links, in the forms of the default bridge and of a network of its own, each once', () => {
  const HostConfig = { Links: ['/dynamic-ambassador:/web-1/mysql', 'cache:redis', 'odd', 7] };
  const Networks = { app: { NetworkID: 'n', IPAddress: '10.1.0.9', Links: ['cache:redis', 'cache:store'] } };
  assert.deepEqual(read({ HostConfig, NetworkSettings: { Networks } })?.links, [
    { target: 'dynamic-ambassador', alias: 'mysql' },
    { target: 'cache', alias: 'redis' },
    { target: 'cache', alias: 'store' },
  ]);
});

test('the environment is split at the first "="; an entry without one is left out', () => {
  const Env = ['A=b=c', 'EMPTY=', 'NOTHING', '=x', 'A=again'];
  assert.deepEqual(read({ Config: { Env } })?.env, [
    ['A', 'b=c'],
    ['EMPTY', ''],
    ['A', 'again'],
  ]);
  assert.deepEqual(read({ Config: { Env: null, Labels: null } })?.env, []);
});

test('states: only what runs or is paused is a container', () => {
  for (const [state, expected] of [
    [{ Running: true }, 'running'],
    [{ Running: true, Paused: true }, 'paused'],
    [{ Running: false }, undefined],
    [{ Running: true, Restarting: true }, undefined],
    [{ Running: true, Dead: true }, undefined],
  ] as const) {
    assert.equal(read({ State: state })?.state, expected, JSON.stringify(state));
  }
});

test('health: what the check says; without one, or in words unknown here, none', () => {
  for (const [Health, expected] of [
    [{ Status: 'starting' }, 'starting'],
    [{ Status: 'healthy' }, 'healthy'],
    [{ Status: 'unhealthy' }, 'unhealthy'],
    [{ Status: 'none' }, 'none'],
    [{ Status: '' }, 'none'],
    [undefined, 'none'],
    [null, 'none'],
  ] as const) {
    assert.equal(read({ State: { Running: true, Health } })?.health, expected, JSON.stringify(Health));
  }
});

test('network modes', () => {
  for (const [mode, expected] of [
    ['default', 'bridge'],
    ['', 'bridge'],
    ['bridge', 'bridge'],
    ['host', 'host'],
    [`container:${id}`, `container:${id}`],
  ]) {
    assert.equal(read({ HostConfig: { NetworkMode: mode } })?.networkMode, expected);
  }
});

test('what is no container, or no list, is an error that shows it', () => {
  for (const json of [null, 5, 'x', [], {}, { Id: id }, answer({ State: {} }), answer({ Name: '' })]) {
    const result = readContainer(json);
    assert.ok(!result.ok);
    assert.equal(result.error.code, 'ERR_DOCKER');
  }
  for (const json of [undefined, Buffer.from('<html>'), {}, 'x', [5], [{ Id: '' }]]) {
    const result = readListing(json);
    assert.ok(!result.ok);
    assert.equal(result.error.code, 'ERR_DOCKER');
  }
});

test('the list: what restarts or has ended is left out; a difference shows', () => {
  const item = (rest: object) => ({
    Id: id,
    Names: ['/other/alias', '/web-1'],
    State: 'running',
    NetworkSettings: { Networks: { bridge: { IPAddress: '172.17.0.2' } } },
    ...rest,
  });
  const listed = (rest: object = {}) => {
    const result = readListing([item(rest)]);
    assert.ok(result.ok);
    return result.value[0];
  };
  assert.equal(listed({ State: 'restarting' }), undefined);
  assert.equal(listed({ State: 'exited' }), undefined);
  const known = read();
  for (const [rest, same] of [
    [{}, true],
    [{ State: 'paused' }, false],
    [{ Names: ['/web-2'] }, false],
    [{ NetworkSettings: { Networks: { bridge: { IPAddress: '172.17.0.3' } } } }, false],
    [{ NetworkSettings: null }, false],
  ] as const) {
    const found = listed(rest);
    assert.ok(found);
    assert.equal(isAsListed(known, found), same, JSON.stringify(rest));
    assert.equal(isAsListed(undefined, found), false);
  }
});

test('two readings are the same only in everything, labels too', () => {
  const [a, b, c] = [read(), read(), read({ Config: { Env: ['A=1'], Labels: { x: 'z' } } })];
  assert.ok(a && b && c);
  assert.ok(sameContainer(a, b));
  assert.ok(!sameContainer(a, c));
});
