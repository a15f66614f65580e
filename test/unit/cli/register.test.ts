import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseCommand } from '../../../src/cli/parse-command.ts';

type Environment = Readonly<Record<string, string>>;

function settings(line: string, env: Environment = {}) {
  const result = parseCommand(line.split(' '), env);
  assert.ok(result.ok, result.ok ? '' : result.error.message);
  assert.ok(result.value.command.kind === 'register');
  return result.value.command.settings;
}

function problems(line: string, env: Environment = {}): string {
  const result = parseCommand(line.split(' '), env);
  assert.ok(!result.ok, `${line} is taken`);
  assert.equal(result.error.code, 'ERR_USAGE');
  return result.error.message;
}

describe('register', () => {
  it('reads registry, prefix and the address of this host', () => {
    const { registry, hostIp, engine } = settings(
      'register --registry etcd://h1:2379,h2:4001 --host-ip 10.0.0.5 --prefix /eu/',
    );
    const servers = [
      { host: 'h1', port: 2379 },
      { host: 'h2', port: 4001 },
    ];
    assert.deepEqual(registry, { kind: 'etcd', servers, prefix: '/eu' });
    assert.deepEqual([hostIp, engine.host], ['10.0.0.5', 'unix:///var/run/docker.sock']);
  });

  it('reads what dynamic-ambassador was told: ETCD_HOST and HOST_IP', () => {
    const { registry, hostIp } = settings('register', { ETCD_HOST: '10.0.0.2:4001', HOST_IP: '10.0.0.5' });
    assert.deepEqual(registry, { kind: 'etcd', servers: [{ host: '10.0.0.2', port: 4001 }], prefix: '' });
    assert.equal(hostIp, '10.0.0.5');
  });

  it('takes Consul, with the variables of its own tools', () => {
    const line = 'register --registry consul://10.0.0.2 --host-ip host-1';
    const { registry, consul } = settings(line, { CONSUL_HTTP_TOKEN: 'secret' });
    assert.deepEqual(registry, { kind: 'consul', server: { host: '10.0.0.2', port: 8500 }, passing: true });
    assert.deepEqual(consul, { token: 'secret' });
  });

  it('says what is missing and what is wrong', () => {
    assert.match(
      problems('register --registry etcd://h'),
      /which address of this host .* --host-ip or HOST_IP/,
    );
    assert.match(problems('register --host-ip 10.0.0.5'), /which etcd\?/);
    const odd = problems('register --registry redis://h --host-ip 0.0.0.0');
    assert.match(odd, /--registry, .*expected etcd:\/\/HOST:PORT or consul:\/\/HOST:PORT/);
    assert.match(odd, /--host-ip: expected this host's address/);
    assert.match(problems('register x --registry etcd://h --host-ip 10.0.0.5'), /takes options only/);
  });
});
