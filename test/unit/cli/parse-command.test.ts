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
  assert.equal(result.value.command.kind, kind);
  return result.value.command as Extract<Command, { kind: K }>;
}

function notices(argv: readonly string[], env: Record<string, string> = {}): readonly string[] {
  const result = parseCommand(argv, env, () => false);
  assert.ok(result.ok, result.ok ? '' : result.error.message);
  return result.value.notices;
}

function problems(line: string, env: Record<string, string> = {}): string {
  const result = parseCommand(line.split(' ').filter(Boolean), env, () => false);
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
      [settings.interception, settings.allowLocalTargets, settings.maxConnections],
      ['auto', false, undefined],
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

  it('uses the kernel path as it is told to', () => {
    assert.equal(parsed('omni', '--omnimode').settings.kernel, undefined);
    assert.equal(parsed('omni', '--omnimode --kernel=require').settings.kernel, 'require');
    const wrong = parseCommand(['--omnimode', '--kernel=yes'], {});
    assert.match(
      wrong.ok ? '' : wrong.error.message,
      /--kernel: expected one of auto, off, require, found "yes"/,
    );
  });

  it('leaves the rules to somebody else with --rules off', () => {
    assert.equal(parsed('omni', '--omnimode --rules off').settings.interception, 'off');
  });

  it('leads localhost of labelled containers, unless --localhost says off', () => {
    assert.equal(parsed('omni', '--omnimode').settings.leadsLocalhost, true);
    assert.equal(parsed('omni', '--omnimode --localhost off').settings.leadsLocalhost, false);
  });

  it('is what connectable was, in a container with the socket of the engine and without a word', () => {
    const there = (path: string) => ['/.dockerenv', '/var/run/docker.sock'].includes(path);
    const env = { PORT: '9000', LOOKUP_RESOLVER: 'dns' };
    const line = parseCommand([], env, there);
    assert.ok(line.ok && line.value.command.kind === 'omni');
    const { settings } = line.value.command;
    assert.deepEqual([settings.port, settings.rulesByHelper, settings.leadsLocalhost], [9000, true, true]);
    assert.match(line.value.notices.join(), /LOOKUP_RESOLVER in the environment has no effect/);
    assert.ok(parseCommand([], { DOCKER_HOST: 'tcp://10.0.0.1:2375' }, (path) => path === '/.dockerenv').ok);
    for (const path of ['/.dockerenv', '/var/run/docker.sock']) {
      const nothing = parseCommand([], {}, (other) => other === path);
      assert.ok(!nothing.ok && /nothing to do/.test(nothing.error.message), path);
    }
    assert.equal(parsed('omni', '--omnimode').settings.rulesByHelper, undefined);
  });

  it('reads what the ambassador runs in the network of a caller', () => {
    const lead = { address: '172.17.0.2', ports: [80, 6379] };
    const task = (line: string) => parsed('localhost-rules', `localhost-rules ${line}`).task;
    assert.deepEqual(task('set 172.17.0.2 6379,80,6379'), { kind: 'set', lead });
    assert.deepEqual(task('clear 172.17.0.2'), { kind: 'clear', address: '172.17.0.2' });
    assert.deepEqual(task('clear'), { kind: 'clear' });
    for (const line of ['', 'set', 'set 172.17.0.2', 'set fd00::1 80', 'set 1.2.3.4 80,x', 'clear x', 'go']) {
      const wrong = parseCommand(['localhost-rules', ...line.split(' ')], {});
      assert.ok(!wrong.ok && /expected "set IPV4 PORT/.test(wrong.error.message), line);
    }
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
    assert.match(problems('redis-1:'), /column 9: expected a port .*\n {2}redis-1:\n {10}\^$/);
  });
});

describe('links', () => {
  const backends = (line: string, env: Record<string, string> = {}) =>
    [...parsed('forward', line, env).settings.backends].map(([port, { source }]) => [
      port,
      source.kind === 'static' ? source.endpoints.map((e) => `${e.host}:${e.port}`).join() : source.kind,
    ]);

  it('are those of the link environment, by the names that Docker keeps up to date', () => {
    const env = {
      REDIS_NAME: '/amb/redis',
      REDIS_PORT: 'tcp://172.17.0.2:6379',
      REDIS_PORT_6379_TCP: 'tcp://172.17.0.2:6379',
      REDIS_PORT_6379_TCP_ADDR: '172.17.0.2',
      HTTP_PORT_8080_TCP: 'tcp://172.17.0.3:8080',
      HTTP_PORT_53_UDP: 'udp://172.17.0.3:53',
    };
    assert.deepEqual(backends('--links', env), [
      [6379, 'redis:6379'],
      [8080, '172.17.0.3:8080'],
    ]);
    assert.equal(parsed('forward', '--links', env).settings.port, 6379);
  });

  it('of one port are one backend', () => {
    const env = { A_PORT_80_TCP: 'tcp://172.17.0.2:80', B_PORT_80_TCP: 'tcp://172.17.0.3:80' };
    assert.deepEqual(backends('--links', env), [[80, '172.17.0.2:80,172.17.0.3:80']]);
  });

  it('may be named where Docker sets no environment', () => {
    for (const line of ['--links redis:6379,web-1:80,web-2:80', '-links=redis:6379,web-1:80,web-2:80']) {
      assert.deepEqual(backends(line), [
        [6379, 'redis:6379'],
        [80, 'web-1:80,web-2:80'],
      ]);
    }
  });

  it('leave the flags behind them alone', () => {
    const env = { A_PORT_80_TCP: 'tcp://172.17.0.2:80' };
    const { run, settings } = parsed('forward', '--links --log-level debug', env);
    assert.deepEqual([run.logLevel, settings.port], ['debug', 80]);
  });
});

describe('embassy', () => {
  const line =
    '--dnat -provider=docker -v=3 -interface=eth0 -discovery=consul://HOST:8500 -docker unix:///d.sock -resync=60';

  it('on the host itself, as its README has it', () => {
    const { settings, run } = parsed('omni', line, { PROXY_IP: '172.17.42.1', PROXY_PORT: '9998' });
    assert.equal(settings.port, 9998);
    assert.deepEqual(settings.rules, { proxyPort: 9998, dnat: { proxyIps: ['172.17.42.1'], takePorts: [] } });
    assert.deepEqual(
      [settings.interception, run.logLevel, settings.engine.host],
      ['auto', 'info', 'unix:///d.sock'],
    );
    const server = { host: 'host', port: 8500 };
    assert.deepEqual(settings.services, { kind: 'consul', server, passing: true });
  });

  it('says what has no effect any more, and why', () => {
    const glog =
      '-logtostderr=true -alsologtostderr -stderrthreshold 2 -log_dir=/x -log_backtrace_at=a:1 -vmodule a=3';
    const argv = [...line.split(' '), ...glog.split(' '), '-marathon-port=10001'];
    const env = { INTERFACE: 'eth0', IPTABLES_TRACK_HASHSIZE: '16384' };
    assert.deepEqual(
      notices(argv, env).map((notice) => notice.split(' ')[0]),
      [
        ...[
          '--interface',
          '--resync',
          '--logtostderr',
          '--alsologtostderr',
          '--stderrthreshold',
          '--log_dir',
        ],
        ...['--log_backtrace_at', '--vmodule', '--marathon-port', 'INTERFACE', 'IPTABLES_TRACK_HASHSIZE'],
      ],
    );
    assert.match(notices(argv)[0] ?? '', /^--interface has no effect: the proxy listens on every address$/);
    assert.deepEqual(notices(['--omnimode'], { INTERFACE: 'eth0' }), []);
  });

  it('as a container with links, and without rules of its own', () => {
    const redirect = parsed('omni', '--redirect -provider=docker -discovery=etcd://H:4001').settings;
    assert.deepEqual([redirect.rules, redirect.interception], [{ proxyPort: 9999 }, 'auto']);
    const bare = parsed('omni', '-interface docker0 -discovery etcd://HOST:2379 -v=0 -p=3232').settings;
    assert.deepEqual([bare.port, bare.interception], [3232, 'off']);
  });

  it('without any argument, by DISCOVERY alone', () => {
    const { settings } = parsed('omni', '', { DISCOVERY: 'etcd://HOST:4001' });
    assert.deepEqual([settings.port, settings.interception], [9999, 'auto']);
    assert.deepEqual(settings.rules.dnat, { proxyIps: [], takePorts: [] });
    assert.equal(settings.services?.kind, 'etcd');
  });

  it('with services from the command line', () => {
    const { settings } = parsed(
      'services',
      '-discovery=consul://C:8500 -provider=static -filter=false -services=frontend_http;80,mysql[a,b];3306',
    );
    const sources = [...settings.backends].map(([port, { source }]) => [
      port,
      source.kind === 'consul-service' && [source.name, source.tags, source.passing],
    ]);
    assert.deepEqual(sources, [
      [80, ['frontend_http', [], false]],
      [3306, ['mysql', ['a', 'b'], false]],
    ]);
    assert.deepEqual([settings.port, settings.interception], [9999, 'off']);
  });

  it('reads its other flags', () => {
    const { settings, run } = parsed('omni', '-provider docker -prefix AMB_ -v 4 --filter');
    assert.equal(settings.variablePrefix, 'AMB_');
    assert.equal(run.logLevel, 'debug');
    assert.deepEqual(settings.services, {
      kind: 'consul',
      server: { host: '127.0.0.1', port: 8500 },
      passing: true,
    });
  });

  it('reads connection tracking, for every command that sets rules', () => {
    const env = { IPTABLES_TRACK_MAX_CONNECTIONS: '65536', IPTABLES_TRACK_TIMEOUT: '30' };
    const tracking = { maxConnections: 65_536, timeWaitSeconds: 30 };
    assert.deepEqual(parsed('omni', '--redirect', env).settings.rules.tracking, tracking);
    assert.deepEqual(parsed('setup-rules', '--setup-iptables', env).rules.tracking, tracking);
  });
});

describe('discovery', () => {
  const discovery = (line: string, env: Record<string, string> = {}) =>
    parsed('omni', `--omnimode ${line}`, env).settings.discovery;

  it('asks the machine itself unless told otherwise, and lets containers read no file', () => {
    assert.deepEqual(discovery(''), { dnsServers: [], fileRoots: [], etcd: {}, consul: {} });
  });

  it('reads name servers with and without port, of both families', () => {
    assert.deepEqual(discovery('--dns 10.0.0.53,10.0.0.54:5353,2001:db8::53,[::1]:53').dnsServers, [
      { ip: '10.0.0.53', port: 53 },
      { ip: '10.0.0.54', port: 5353 },
      { ip: '2001:db8::53', port: 53 },
      { ip: '::1', port: 53 },
    ]);
  });

  it('reads what outlives an outage, and for how long', () => {
    const { stateDirectory, maxStaleMs } = discovery('--state-dir /var/lib/nuncio --max-stale 10m');
    assert.deepEqual([stateDirectory, maxStaleMs], ['/var/lib/nuncio', 600_000]);
  });

  it("reads the registries' users from the environment", () => {
    const env = { ETCD_USERNAME: 'root', ETCD_PASSWORD: 'x', CONSUL_HTTP_TOKEN: 'secret' };
    const { etcd, consul } = discovery('', env);
    assert.deepEqual(etcd, { user: { name: 'root', password: 'x' } });
    assert.deepEqual(consul, { token: 'secret' });
  });

  it("reads where embassy's services are, and which registries containers may name", () => {
    const line = '--omnimode --discovery etcd://h:1/services --registries h:1,[::1]:2379';
    const { settings } = parsed('omni', line);
    assert.deepEqual(settings.services, {
      kind: 'etcd',
      servers: [{ host: 'h', port: 1 }],
      prefix: '/services',
    });
    assert.deepEqual(settings.registries, new Set(['h:1', '[::1]:2379']));
    assert.equal(parsed('omni', '--omnimode', { DISCOVERY: 'consul://c' }).settings.services?.kind, 'consul');
  });

  it("lets an operator's own descriptor name any file", () => {
    assert.deepEqual(parsed('forward', 'file:///etc/redis').settings.discovery.fileRoots, ['/']);
  });
});

describe('resolve', () => {
  it('reads one descriptor', () => {
    const { settings, logLevel } = parsed('resolve', 'resolve etcd://h/p --watch --log-level debug');
    assert.equal(settings.backend.source.kind, 'etcd');
    assert.deepEqual([settings.isWatching, logLevel], [true, 'debug']);
  });

  it('takes the dialled port from --port', () => {
    const { source } = parsed('resolve', 'resolve docker://web --port 80').settings.backend;
    assert.deepEqual(source, { kind: 'docker', name: 'web', port: 80 });
  });

  it('says what is wrong', () => {
    assert.match(problems('resolve'), /give one descriptor/);
    assert.match(problems('resolve a:1 b:1'), /give one descriptor/);
    assert.match(problems('resolve docker://web'), /which port\?/);
    assert.match(problems('resolve redis;'), /column 6: expected [\s\S]*\^$/);
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
    ['--omnimode --rules maybe', /--rules: expected one of auto, steer, nat, off/],
    ['--omnimode --take-ports 80', /--take-ports: belongs to --dnat/],
    ['--omnimode --dnat --take-ports 80,x', /--take-ports: expected ports/],
    ['--omnimode --dnat --proxy-ip docker0', /--proxy-ip: expected IP addresses/],
    ['--omnimode redis:6379', /--omnimode and "redis:6379": one at a time/],
    ['a:1 b:2', /"a:1" and "b:2": one at a time \(several backends are one argument/],
    ['--omnimode --setup-iptables', /one at a time/],
    ['--omnimode --watch', /--watch: belongs to resolve/],
    ['--omnimode --dns redis', /--dns: expected IP addresses of name servers/],
    ['--omnimode --max-stale soon', /--max-stale: expected a time/],
    ['--omnimode --file-root etc', /--file-root: expected absolute paths/],
    ['--omnimode --etcd-cacert /nowhere.pem', /--etcd-cacert: cannot read "\/nowhere.pem"/],
    ['--omnimode --discovery http://h', /--discovery, column 1: expected etcd:\/\/HOST:PORT or consul/],
    ['--omnimode --registries h', /--registries: expected servers as HOST:PORT/],
    ['--links', /the environment has no link .* name them, as in --links redis:6379/],
    ['--links redis', /--links: expected NAME:PORT between commas, found "redis"/],
    ['--links redis:', /column 7: expected a port/],
    ['--links redis:1 -p 2', /--port: the ports of --links are those of the links/],
    ['--links=redis:1 web:2', /--links and "web:2": one at a time/],
    ['-provder=docker', /-provder: no such flag; did you mean --provider\?/],
    ['-provider=rancher', /--provider: expected docker or static, found "rancher"/],
    ['-provider=static', /--provider static: which services\?/],
    ['-provider=static -services=a;80,b', /--services "a;80,b": column 2: expected ";"/],
    ['-provider=static -services=a;80,b;80', /port 80 leads to two services/],
    ['-provider=docker -services=a;80', /--services: belongs to --provider static/],
    ['--dnat --redirect', /--dnat and --redirect: one of them/],
    ['--redirect -filter=perhaps', /--filter: expected true or false/],
    ['--redirect -v=high', /--verbosity: expected a number/],
    ['--redirect', /PROXY_PORT in the environment: expected a port/, { PROXY_PORT: 'x' }],
    [
      '--redirect',
      /IPTABLES_TRACK_TIMEOUT in the environment: expected a number/,
      { IPTABLES_TRACK_TIMEOUT: '-1' },
    ],
    ['-discovery=marathon://h:8080', /Marathon is no longer a source of endpoints/],
    ['--omnimode', /CONSUL_CACERT: cannot read/, { CONSUL_HTTP_SSL: 'true', CONSUL_CACERT: '/nowhere' }],
  ];
  for (const [line, expected, env] of cases) {
    it(JSON.stringify(line), () => assert.match(problems(line, env), expected));
  }

  it('and nothing that only follows from a mistyped flag', () => {
    assert.equal(problems('--omnimod').split('\n').length, 1);
    assert.equal(problems('--omnimode --prot 80').split('\n').length, 1);
  });

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
