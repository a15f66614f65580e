import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Command } from '../../../src/cli/command.ts';
import { parseCommand } from '../../../src/cli/parse-command.ts';
import { subcommands, wordsOfName } from '../../../src/cli/subcommands.ts';
import { usage } from '../../../src/cli/usage.ts';

type Environment = Readonly<Record<string, string>>;

/** What `docker run --link etcd-amb-apache.service:etcd` leaves in the environment. */
const linked: Environment = {
  ETCD_NAME: '/apache-docker-reg.service/etcd',
  ETCD_PORT: 'tcp://172.17.0.3:10000',
  ETCD_PORT_10000_TCP: 'tcp://172.17.0.3:10000',
  ETCD_PORT_10000_TCP_ADDR: '172.17.0.3',
  ETCD_PORT_10000_TCP_PORT: '10000',
  ETCD_PORT_10000_TCP_PROTO: 'tcp',
};
const linkedServers = [
  { host: '172.17.0.3', port: 10_000 },
  { host: 'etcd', port: 10_000 },
];

function parsed<K extends Command['kind']>(kind: K, line: string, env: Environment = {}) {
  const result = parseCommand(line.split(' '), env);
  assert.ok(result.ok, result.ok ? '' : result.error.message);
  assert.equal(result.value.command.kind, kind);
  return result.value.command as Extract<Command, { kind: K }>;
}

function problems(line: string, env: Environment = {}): string {
  const result = parseCommand(line.split(' '), env);
  assert.ok(!result.ok, `${line} is taken`);
  assert.equal(result.error.code, 'ERR_USAGE');
  return result.error.message;
}

describe('simple-amb', () => {
  it('listens on 10000 and leads to the one place', () => {
    const { settings } = parsed('forward', 'simple-amb 172.17.42.1:4001');
    assert.deepEqual(
      [...settings.backends],
      [
        [
          10_000,
          { source: { kind: 'static', endpoints: [{ host: '172.17.42.1', port: 4001 }] }, options: {} },
        ],
      ],
    );
    assert.equal(settings.port, 10_000);
  });

  it('listens elsewhere where it is told to', () => {
    assert.equal(parsed('forward', 'simple-amb h:1 -p 4001').settings.port, 4001);
    assert.equal(parsed('forward', 'simple-amb h:1', { PORT: '4002' }).settings.port, 4002);
  });

  it('wants one place', () => {
    assert.match(problems('simple-amb'), /expected one HOST:PORT, found nothing/);
    assert.match(problems('simple-amb a:1 b:2'), /found "a:1" "b:2"/);
    assert.match(problems('simple-amb h:x'), /column 3: expected a port/);
  });
});

describe('dynamic-etcd-amb', () => {
  it('follows a name in the etcd that is linked', () => {
    const { settings } = parsed('forward', 'dynamic-etcd-amb apache-A 80', linked);
    const source = { kind: 'etcd', servers: linkedServers, path: '/services/apache-A', tags: [] };
    assert.deepEqual([...settings.backends], [[80, { source, options: {} }]]);
  });

  it('finds etcd', () => {
    const servers = (env: Environment, flag = '') => {
      const { settings } = parsed('forward', `dynamic-etcd-amb a 80${flag}`, env);
      const source = settings.backends.get(80)?.source;
      return source?.kind === 'etcd' ? source.servers.map(({ host, port }) => `${host}:${port}`).join() : '';
    };
    const plain = { ETCD_PORT_2379_TCP_ADDR: '10.0.0.1', ETCD_PORT_2379_TCP_PORT: '2379' };
    assert.equal(servers(plain), '10.0.0.1:2379');
    assert.equal(servers({ ...plain, ...linked }), '172.17.0.3:10000,etcd:10000');
    assert.equal(servers({ ETCD_PORT_7001_TCP_ADDR: '10.0.0.1' }), '10.0.0.1:7001');
    assert.equal(servers(linked, ' --etcd 10.0.0.2:2379,etcd-2'), '10.0.0.2:2379,etcd-2:2379');
    assert.equal(servers({}, ' --etcd=etcd://[fd00::1]:4001'), 'fd00::1:4001');
    assert.equal(servers({ ...linked, ETCD_HOST: '10.0.0.3:4001' }), '10.0.0.3:4001');
  });

  it('says what is wrong', () => {
    assert.match(problems('dynamic-etcd-amb apache-A', linked), /expected NAME PORT/);
    assert.match(problems('dynamic-etcd-amb a 0', linked), /expected a port .* found "0"/);
    assert.match(problems('dynamic-etcd-amb a/b 80', linked), /expected a name without .* found "a\/b"/);
    assert.match(problems('dynamic-etcd-amb a 80 -p 81', linked), /the port is the second word/);
    assert.match(problems('dynamic-etcd-amb a 80'), /which etcd\? .*docker run --link CONTAINER:etcd/);
    assert.match(problems('dynamic-etcd-amb a 80 --etcd h:x'), /--etcd: expected HOST:PORT .* "h:x"/);
    assert.match(problems('dynamic-etcd-amb a 80 --etcd h/x'), /--etcd: expected HOST:PORT/);
  });
});

describe('docker-register', () => {
  it('reads container, port, name and fields', () => {
    const line = 'docker-register apache.service 80 apache-A zone=b weight=5';
    const { settings } = parsed('docker-register', line, { ...linked, HOST_IP: '10.0.0.5' });
    assert.deepEqual(settings.target, {
      container: 'apache.service',
      port: 80,
      service: 'apache-A',
      fields: [
        ['zone', 'b'],
        ['weight', '5'],
      ],
      hostIp: '10.0.0.5',
    });
    assert.deepEqual(settings.etcd, { servers: linkedServers, settings: {} });
    assert.equal(settings.engine.host, 'unix:///var/run/docker.sock');
  });

  it('takes the port with its protocol', () => {
    assert.equal(parsed('docker-register', 'docker-register a 80/tcp n', linked).settings.target.port, 80);
    assert.match(problems('docker-register a 53/udp n', linked), /only TCP ports are registered/);
  });

  it("takes the host's address by name, and none that others cannot dial", () => {
    const hostIp = (value: string) =>
      parsed('docker-register', `docker-register a 80 n --host-ip ${value}`, linked).settings.target.hostIp;
    assert.deepEqual([hostIp('Host-1'), hostIp('::ffff:10.0.0.5')], ['host-1', '10.0.0.5']);
    for (const bad of ['0.0.0.0', '127.0.0.1', '::1', '10.0.0.256']) {
      assert.match(problems(`docker-register a 80 n --host-ip ${bad}`, linked), /--host-ip: expected/);
    }
  });

  it('says everything that is wrong', () => {
    assert.match(problems('docker-register a 80', linked), /expected CONTAINER PORT NAME/);
    const several = problems('docker-register /a http n/m x port=1', linked);
    for (const one of [/container's name or id/, /a port of the container/, /without "\/"/, /KEY=VALUE/]) {
      assert.match(several, one);
    }
    assert.match(several, /"port" is read from the container/);
  });
});

describe('every subcommand', () => {
  for (const [name, subcommand] of subcommands) {
    it(`${name} has its own help, with an example that is taken`, () => {
      const { of } = parsed('help', `${name} --help`);
      assert.equal(usage(of), subcommand.usage);
      const example = new RegExp(` nuncio (${name} .*)$`, 'm').exec(
        subcommand.usage.split('Example')[1] ?? '',
      );
      assert.ok(parseCommand((example?.[1] ?? '').split(' '), linked).ok, example?.[0]);
      assert.match(usage(), new RegExp(`\\b${name}\\b`));
    });
  }

  it('is what the program does when it is called by that name', () => {
    assert.deepEqual(wordsOfName('/usr/local/bin/docker-register'), ['docker-register']);
    assert.deepEqual(wordsOfName('simple-amb'), ['simple-amb']);
    for (const other of ['/start', 'nuncio', '/app/dist/main.js', ''])
      assert.deepEqual(wordsOfName(other), []);
  });
});
