import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Command } from '../../../src/cli/command.ts';
import { flags } from '../../../src/cli/flags.ts';
import { parseCommand } from '../../../src/cli/parse-command.ts';
import { usage } from '../../../src/cli/usage.ts';

function parsed<K extends Command['kind']>(kind: K, line: string, env: Record<string, string> = {}) {
  const result = parseCommand(line.split(' ').filter(Boolean), env);
  assert.ok(result.ok, result.ok ? '' : result.error.message);
  assert.equal(result.value.kind, kind);
  return result.value as Extract<Command, { kind: K }>;
}

function problems(line: string, env: Record<string, string> = {}): string {
  const result = parseCommand(line.split(' ').filter(Boolean), env);
  assert.ok(!result.ok, `${line} is taken`);
  assert.equal(result.error.code, 'ERR_USAGE');
  return result.error.message;
}

describe('omni mode', () => {
  it('has the documented defaults', () => {
    const { settings, run } = parsed('omni', '--omnimode');
    assert.equal(settings.port, 10_000);
    assert.equal(settings.engine.host, 'unix:///var/run/docker.sock');
    assert.deepEqual(settings.rules, { proxyPort: 10_000 });
    assert.deepEqual(
      [settings.manageRules, settings.allowLocalTargets, settings.maxConnections],
      [true, false, undefined],
    );
    assert.deepEqual(run, { logLevel: 'info', drainMs: 30_000 });
  });

  it('reads the environment, and a flag before it', () => {
    const env = { PORT: '9999', DOCKER_HOST: 'tcp://h:1', LOG_LEVEL: 'DEBUG', DOCKER_TLS_VERIFY: '1' };
    const byEnv = parsed('omni', '--omnimode', env);
    assert.equal(byEnv.settings.port, 9999);
    assert.equal(byEnv.settings.rules.proxyPort, 9999);
    assert.deepEqual(byEnv.settings.engine, { host: 'tcp://h:1', tlsVerify: '1' });
    assert.equal(byEnv.run.logLevel, 'debug');
    const byFlag = parsed('omni', '--omnimode -p 8888 --docker unix:///x --log-level=error', env);
    assert.equal(byFlag.settings.port, 8888);
    assert.equal(byFlag.settings.engine.host, 'unix:///x');
    assert.equal(byFlag.run.logLevel, 'error');
  });

  it('takes an empty variable for none', () => {
    assert.equal(parsed('omni', '--omnimode', { PORT: '' }).settings.port, 10_000);
  });

  it('reads host networking', () => {
    const { settings } = parsed('omni', '--omnimode --dnat --take-ports 22,80 --admin-port 8080', {
      PROXY_IP: '172.17.42.1',
    });
    assert.deepEqual(settings.rules, {
      proxyPort: 10_000,
      adminPort: 8080,
      dnat: { proxyIps: ['172.17.42.1'], takePorts: [22, 80] },
    });
  });

  it('leaves the rules to somebody else with --rules off', () => {
    assert.equal(parsed('omni', '--omnimode --rules off').settings.manageRules, false);
  });
});

describe('static forward', () => {
  it('listens on the port of its first backend', () => {
    assert.equal(parsed('forward', 'redis-1:6379,redis-2:6380').settings.port, 6379);
  });

  it('listens on 10000 only where PORT says so, or where the backend has no port', () => {
    assert.equal(parsed('forward', 'redis-1:6379', { PORT: '10000' }).settings.port, 10_000);
    assert.equal(parsed('forward', 'redis.service.consul').settings.port, 10_000);
    assert.equal(parsed('forward', 'docker://web:8080').settings.port, 8080);
  });

  it("may lead to the operator's own machine", () => {
    assert.equal(parsed('forward', '127.0.0.1:6379').settings.allowLocalTargets, true);
  });

  it('says where a descriptor is wrong', () => {
    assert.match(problems('redis-1:'), /"redis-1:", column 9: expected a port/);
  });
});

describe('the other commands', () => {
  it('are read', () => {
    assert.deepEqual(parsed('setup-rules', '--setup-iptables -p 9').rules, { proxyPort: 9 });
    parsed('cleanup-rules', '--cleanup-iptables');
    assert.equal(parsed('health', '--health --port 7').port, 7);
    parsed('version', '--version');
    parsed('help', '-h');
    parsed('help', '--help --omnimode');
  });
});

describe('what is wrong is said, all of it', () => {
  const cases: readonly [line: string, expected: RegExp, env?: Record<string, string>][] = [
    ['', /nothing to do/],
    ['--omnimod', /--omnimod: no such flag; did you mean --omnimode\?/],
    ['--omnimode --prot=80', /--prot: no such flag; did you mean --port\?/],
    ['--omnimode --zzz', /--zzz: no such flag$/m],
    ['--omnimode --port 99999', /--port: expected a port \(1 to 65535\), found "99999"/],
    ['--omnimode --port', /--port: a value is missing/],
    ['--omnimode', /PORT in the environment: expected a port .* found "redis"/, { PORT: 'redis' }],
    ['--omnimode --drain 5', /--drain: expected a time/],
    ['--omnimode --log-level loud', /--log-level: expected one of error, warn, info, debug/],
    ['--omnimode --max-connections 0', /--max-connections: expected a number/],
    ['--omnimode --rules maybe', /--rules: expected auto or off/],
    ['--omnimode --take-ports 80', /--take-ports: belongs to --dnat/],
    ['--omnimode --dnat --take-ports 80,x', /--take-ports: expected ports/],
    ['--omnimode --dnat --proxy-ip docker0', /--proxy-ip: expected IP addresses/],
    ['--omnimode redis:6379', /--omnimode and "redis:6379": one at a time/],
    ['a:1 b:2', /"a:1" and "b:2": one at a time \(several backends are one argument/],
    ['--omnimode --setup-iptables', /one at a time/],
  ];
  for (const [line, expected, env] of cases) {
    it(JSON.stringify(line), () => assert.match(problems(line, env), expected));
  }

  it('several at once', () => {
    assert.equal(problems('--omnimode --nope --port x --drain y').split('\n').length, 3);
  });

  it('never throws', () => {
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom(...flags.map(({ name }) => `--${name}`), '--', '-', '-p'),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 6 }), (argv) => {
        parseCommand(argv, {});
      }),
      { numRuns: 1000 },
    );
  });
});

describe('usage', () => {
  it('names every flag and its variable', () => {
    const text = usage();
    for (const { name, env } of flags) {
      assert.ok(text.includes(`--${name}`), name);
      if (env !== undefined) assert.ok(text.includes(`[${env}]`), env);
    }
  });

  it('fits a terminal of 120 columns', () => {
    for (const line of usage().split('\n')) assert.ok(line.length <= 120, line);
  });
});
