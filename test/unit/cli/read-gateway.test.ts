import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { parseCommand } from '../../../src/cli/parse-command.ts';

function settings(line: string, env: Record<string, string> = {}) {
  const parsed = parseCommand(line.split(' '), env);
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.error.message);
  const { command } = parsed.value;
  assert.ok(command.kind === 'gateway');
  return command;
}

function problem(line: string): string {
  const parsed = parseCommand(line.split(' '), {});
  return parsed.ok ? '' : parsed.error.message;
}

suite('nuncio gateway', () => {
  test('a registry is all that it needs', () => {
    const { registry, httpPort, answerMs, checkMs } = settings('gateway --registry etcd://10.0.0.2').settings;
    assert.deepEqual(registry, { kind: 'etcd', servers: [{ host: '10.0.0.2', port: 2379 }], prefix: '' });
    assert.deepEqual([httpPort, answerMs, checkMs], [80, 60_000, 5000]);
  });

  test('etcd from the environment, as the predecessor had it, and a folder of its own', () => {
    const { registry } = settings('gateway --prefix /x/', { ETCD_HOST: '10.0.0.2:4001' }).settings;
    assert.deepEqual(registry, { kind: 'etcd', servers: [{ host: '10.0.0.2', port: 4001 }], prefix: '/x' });
    const both = settings('gateway --registry etcd://h:1/a --prefix /b').settings.registry;
    assert.ok(both.kind === 'etcd' && both.prefix === '/a/b');
  });

  test('every option', () => {
    const line =
      'gateway --registry consul://h:8500 --http-port 8080 --http-timeout 2m --http-check 1s --trusted-proxies 10.0.0.1,::1 --max-connections 9';
    const { settings: all } = settings(line);
    assert.ok(all.registry.kind === 'consul');
    assert.deepEqual(all.registry.server, { host: 'h', port: 8500 });
    assert.deepEqual([all.httpPort, all.answerMs, all.checkMs, all.maxConnections], [8080, 120_000, 1000, 9]);
    assert.deepEqual(all.trustedProxies, new Set(['10.0.0.1', '::1']));
  });

  test('what is wrong is said', () => {
    assert.match(problem('gateway'), /which etcd\?/);
    assert.match(problem('gateway --registry redis://h'), /--registry, column 1: expected etcd:\/\//);
    assert.match(
      problem('gateway --registry etcd://h --prefix x'),
      /--prefix: expected a path such as \/cluster/,
    );
    assert.match(problem('gateway --registry consul://h --prefix /x'), /--prefix: belongs to etcd/);
    assert.match(
      problem('gateway --registry etcd://h --http-check 5ms'),
      /--http-check: expected at least 1s/,
    );
    assert.match(problem('gateway --registry etcd://h more'), /gateway: takes options only/);
    assert.match(
      problem('gateway --registry etcd://h --admin-port 80'),
      /--admin-port 80: the proxy listens there/,
    );
  });
});

suite('nuncio dynamic', () => {
  const dynamic = (words: readonly string[], env: Record<string, string> = {}) => {
    const parsed = parseCommand(words, env);
    assert.ok(parsed.ok, parsed.ok ? '' : parsed.error.message);
    const { command } = parsed.value;
    assert.ok(command.kind === 'dynamic');
    return command;
  };

  test('registration and gateway have one registry; the status page is there', () => {
    const words = 'dynamic --registry etcd://10.0.0.2:2379/x --host-ip 10.0.0.5 --http-port 8000'.split(' ');
    const { settings: all, run } = dynamic(words);
    assert.deepEqual(all.registration.registry, all.gateway.registry);
    assert.deepEqual(
      [all.registration.hostIp, all.gateway.httpPort, run.admin?.port],
      ['10.0.0.5', 8000, 8080],
    );
  });

  test('as the predecessor was run: no argument, ETCD_HOST and HOST_IP', () => {
    const { settings: all } = dynamic([], { ETCD_HOST: '10.0.0.2:4001', HOST_IP: '10.0.0.5' });
    const { registry } = all.gateway;
    assert.ok(registry.kind === 'etcd');
    assert.deepEqual(registry.servers, [{ host: '10.0.0.2', port: 4001 }]);
    assert.deepEqual([all.registration.hostIp, all.gateway.httpPort], ['10.0.0.5', 80]);
  });

  test('what is missing is said once', () => {
    const message = problem('dynamic');
    assert.equal(message.match(/which etcd\?/g)?.length, 1);
    assert.match(message, /which address of this host/);
    assert.match(
      problem('dynamic --registry etcd://h --host-ip 10.0.0.5 --http-port 8080'),
      /--admin-port 8080/,
    );
  });
});
