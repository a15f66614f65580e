import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { AppError } from '../../../src/core/errors.ts';
import { connectEngine } from '../../../src/docker/engine.ts';
import { parseDockerHost } from '../../../src/docker/engine-address.ts';
import { engineError } from '../../../src/docker/engine-error.ts';
import { FakeEngine, idOf } from './fake-engine.ts';

test('DOCKER_HOST texts', () => {
  const unix = (path: string) => ({ kind: 'unix', path });
  const tcp = (host: string, port: number, tls = false) => ({ kind: 'tcp', host, port, tls });
  for (const [text, verify, expected] of [
    ['', '', unix('/var/run/docker.sock')],
    ['unix:///run/x.sock', '', unix('/run/x.sock')],
    ['unix:///run/x.sock', '1', unix('/run/x.sock')],
    ['/tmp/docker.sock', '', unix('/tmp/docker.sock')],
    ['tcp://10.0.0.1:2375', '', tcp('10.0.0.1', 2375)],
    ['tcp://10.0.0.1:2375/', '', tcp('10.0.0.1', 2375)],
    ['tcp://docker', '', tcp('docker', 2375)],
    ['tcp://docker', '1', tcp('docker', 2376, true)],
    ['tcp://[::1]:2375', '', tcp('::1', 2375)],
    ['http://docker:80', '1', tcp('docker', 80)],
    ['https://docker:443', '', tcp('docker', 443, true)],
  ] as const) {
    assert.deepEqual(parseDockerHost(text, verify), { ok: true, value: expected }, text);
  }
  for (const [text, message] of [
    ['docker:2375', /no scheme: "docker:2375"; expected unix/],
    ['unix://relative', /must begin with "\/"/],
    ['ssh://root@host', /"ssh:\/\/" is not supported/],
    ['tcp://', /no host/],
    ['tcp://:2375', /no host/],
    ['tcp://host:0', /port must be 1 to 65535/],
    ['tcp://host:', /port must be 1 to 65535/],
    ['tcp://host:99999', /port must be 1 to 65535/],
    ['tcp://::1:2375', /no host/],
    ['tcp://host:80/path', /port must be|no host/],
  ] as const) {
    const result = parseDockerHost(text);
    assert.ok(!result.ok, text);
    assert.equal(result.error.code, 'ERR_USAGE');
    assert.match(result.error.message, message);
  }
});

test('version, list, inspect; an unknown container is undefined', async () => {
  await using fake = await FakeEngine.listen();
  fake.run({ id: idOf(1), name: 'web', ip: '10.0.0.1' });
  const engine = connectEngine({ host: fake.host });
  assert.equal(await engine.engineVersion(), '99.1 (API 1.99)');
  assert.equal(((await engine.list()) as unknown[]).length, 1);
  assert.equal(((await engine.inspect(idOf(1))) as { Name: string }).Name, '/web');
  assert.equal(await engine.inspect(idOf(2)), undefined);
  fake.faults.set('version', 'garbage');
  await assert.rejects(engine.engineVersion(), {
    code: 'ERR_DOCKER',
    message: /no Docker engine answers there/,
  });
});

test('the process environment names no other engine than the one asked for', async () => {
  await using fake = await FakeEngine.listen();
  const before = process.env.DOCKER_HOST;
  process.env.DOCKER_HOST = 'tcp://127.0.0.1:1';
  try {
    assert.match(await connectEngine({ host: fake.host }).engineVersion(), /^99/);
  } finally {
    if (before === undefined) delete process.env.DOCKER_HOST;
    else process.env.DOCKER_HOST = before;
  }
});

test('over TCP, IPv4 and IPv6', async () => {
  for (const ip of ['127.0.0.1', '::1']) {
    const server = createServer((_, response) => response.end('{"Version":"1","ApiVersion":"2"}'));
    await new Promise<void>((resolve) => server.listen(0, ip, resolve));
    const { port } = server.address() as AddressInfo;
    try {
      const host = ip.includes(':') ? `tcp://[${ip}]:${port}` : `tcp://${ip}:${port}`;
      assert.equal(await connectEngine({ host }).engineVersion(), '1 (API 2)');
    } finally {
      server.close();
    }
  }
});

test('a missing socket, nobody listening and a hanging engine say what to do', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'nuncio-engine-'));
  try {
    const path = join(folder, 'missing.sock');
    await assert.rejects(connectEngine({ host: `unix://${path}` }).list(), {
      code: 'ERR_DOCKER',
      errno: 'ENOENT',
      message: new RegExp(`there is no socket; mount it \\(-v ${path}:${path}\\)`),
    });
  } finally {
    await rm(folder, { recursive: true });
  }
  await assert.rejects(connectEngine({ host: 'tcp://127.0.0.1:1' }).list(), {
    message: /is dockerd running\?/,
  });
  await using fake = await FakeEngine.listen();
  fake.faults.set('list', 'hang').set('inspect', 'cut').set('version', 'hang');
  const engine = connectEngine({ host: fake.host, timeoutMs: 100 });
  await assert.rejects(engine.list(), { message: /listing the containers: no answer within 100 ms/ });
  await assert.rejects(engine.inspect(idOf(1)), {
    message: /inspecting container .*: no answer within 100 ms/,
  });
  await assert.rejects(engine.engineVersion(), { message: /no answer within 100 ms/ });
  await fake.until(() => fake.openSockets === 0);
});

test('an aborted call ends at once and lets its connection go', async () => {
  await using fake = await FakeEngine.listen();
  fake.faults.set('list', 'hang');
  const abort = new AbortController();
  const call = assert.rejects(connectEngine({ host: fake.host }).list(abort.signal), { code: 'ERR_DOCKER' });
  await fake.until(() => fake.count('list') === 1);
  abort.abort();
  await call;
  await fake.until(() => fake.openSockets === 0);
  await assert.rejects(connectEngine({ host: fake.host }).list(AbortSignal.abort()), { code: 'ERR_DOCKER' });
});

test('advice by system error', () => {
  const unix = { kind: 'unix', path: '/s' } as const;
  const tcp = { kind: 'tcp', host: 'h', port: 1, tls: false } as const;
  const error = (code: string) => Object.assign(new Error('raw'), { code });
  for (const [code, address, message] of [
    ['EACCES', unix, /permission denied; run as root/],
    ['ECONNREFUSED', unix, /nobody listens on the socket/],
    ['ENOTFOUND', tcp, /does not resolve/],
    ['ECONNRESET', tcp, /does the engine want TLS/],
    ['EODD', tcp, /raw/],
  ] as const) {
    const wrapped = engineError(error(code), 'unix:///s', 'listing', address);
    assert.match(wrapped.message, message);
    assert.equal(wrapped.errno, code);
  }
});

test('certificates that cannot be read are named', () => {
  assert.throws(
    () => connectEngine({ host: 'tcp://h:1', tlsVerify: '1', certPath: '/nowhere' }),
    (thrown: unknown) =>
      thrown instanceof AppError && thrown.code === 'ERR_DOCKER' && /\/nowhere\/ca\.pem/.test(thrown.message),
  );
  assert.throws(() => connectEngine({ host: 'x' }), { code: 'ERR_USAGE' });
});
