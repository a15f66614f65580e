/**
 * A caller's localhost in a real network namespace, set by the program as the ambassador runs it there. The namespace that
 * other tests call the ambassador's is the caller here, and its peer the ambassador.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { own, peer } from '../namespaces/wire.ts';
import { iptablesPrograms, Namespaces } from '../nat/namespaces.ts';

const main = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
const ambassador = peer[4];

/** `nuncio localhost-rules …` in the caller's namespace. */
function rules(spaces: Namespaces, ...words: readonly string[]): string {
  return spaces.exec(process.execPath, [main, 'localhost-rules', ...words]).trim();
}

/** Every rule, and the setting of every interface. */
function state(spaces: Namespaces): string {
  const settings = spaces.exec('sh', ['-c', 'grep . /proc/sys/net/ipv4/conf/*/route_localnet']);
  return spaces.dump() + settings;
}

test('localhost leads to the same port of the ambassador, which sees the address of the caller', async () => {
  await using spaces = new Namespaces();
  const before = state(spaces);
  const caller = spaces.ambassador();
  const there = spaces.caller();
  await there.ask({ do: 'listen', host: '::', port: 7000, text: 'ambassador' });
  const dial = (ip: string, port = 7000) => caller.ask<string>({ do: 'dial', ip, port });
  assert.equal(await dial('127.0.0.1'), 'ECONNREFUSED');

  assert.equal(rules(spaces, 'set', ambassador, '7000,7001'), '{"shadowed":[]}');
  const standing = state(spaces);
  assert.equal(await dial('127.0.0.1'), 'ambassador');
  // Nobody there, other ports, other addresses of the caller's: as ever.
  assert.equal(await dial('127.0.0.1', 7001), 'ECONNREFUSED');
  assert.equal(await dial('127.0.0.1', 7002), 'ECONNREFUSED');
  assert.equal(await dial('127.0.0.2'), 'ECONNREFUSED');
  assert.equal(await dial(own[4]), 'ECONNREFUSED');
  // A client that tries ::1 first is refused at once and goes on to 127.0.0.1.
  assert.equal(await dial('::1'), 'ECONNREFUSED');

  rules(spaces, 'set', ambassador, '7001,7000');
  assert.equal(state(spaces), standing);
  assert.equal(rules(spaces, 'clear', '10.213.0.99'), '{"cleared":false}');
  assert.equal(state(spaces), standing);
  assert.equal(rules(spaces, 'clear', ambassador), '{"cleared":true}');
  assert.equal(state(spaces), before);
  assert.equal(await dial('127.0.0.1'), 'ECONNREFUSED');
});

for (const kind of ['iptables-nft', 'iptables-legacy']) {
  test(`where there is no nft, ${kind} does the same, and nft takes over from it`, async () => {
    await using spaces = new Namespaces();
    // The standard chains that are made when a rule is first set stay, empty.
    for (const where of ['nat OUTPUT', 'nat POSTROUTING', 'raw PREROUTING']) {
      const [table = '', chain = ''] = where.split(' ');
      spaces.exec(kind, ['-t', table, '-P', chain, 'ACCEPT']);
    }
    const before = state(spaces);
    const programs = iptablesPrograms(kind);
    const words = (...task: readonly string[]) => [main, 'localhost-rules', ...task];
    const by = (...task: readonly string[]) =>
      spaces.execWith(programs, process.execPath, words(...task)).trim();
    const caller = spaces.ambassador();
    await spaces.caller().ask({ do: 'listen', host: '::', port: 7000, text: 'ambassador' });
    const dial = () => caller.ask<string>({ do: 'dial', ip: '127.0.0.1', port: 7000 });

    assert.equal(by('set', ambassador, '7000,7001'), '{"shadowed":[]}');
    const standing = state(spaces);
    assert.equal(await dial(), 'ambassador');
    assert.match(spaces.exec(kind, ['-t', 'raw', '-S']), /-i eth0 .*-j DROP/);
    by('set', ambassador, '7000,7001');
    assert.equal(state(spaces), standing);
    assert.equal(by('clear', '10.213.0.99'), '{"cleared":false}');
    assert.equal(by('clear'), '{"cleared":true}');
    assert.equal(state(spaces), before);

    by('set', ambassador, '7000');
    rules(spaces, 'set', ambassador, '7000');
    assert.doesNotMatch(state(spaces), /NUNCIO-LOCALHOST/);
    assert.equal(await dial(), 'ambassador');
    rules(spaces, 'clear');
    assert.equal(state(spaces), before);
  });
}

test('what listens in the caller on a port of its localhost is told', async () => {
  await using spaces = new Namespaces();
  const caller = spaces.ambassador();
  await caller.ask({ do: 'listen', host: '127.0.0.1', port: 7000, text: 'own' });
  await caller.ask({ do: 'listen', host: own[4], port: 7001, text: 'own' });
  assert.equal(rules(spaces, 'set', ambassador, '7000,7001'), '{"shadowed":[7000]}');
});

test('a neighbour on the network does not reach what listens on the loopback of the caller', async () => {
  await using spaces = new Namespaces();
  const caller = spaces.ambassador();
  await caller.ask({ do: 'listen', host: '127.0.0.1', port: 8000, text: 'secret' });
  rules(spaces, 'set', ambassador, '7000');
  // The neighbour sends packets for 127.0.0.1 to the caller.
  spaces.execAtPeer('sysctl', ['-qw', 'net.ipv4.conf.all.route_localnet=1']);
  spaces.execAtPeer('ip', ['addr', 'del', '127.0.0.1/8', 'dev', 'lo']);
  spaces.execAtPeer('ip', ['route', 'add', '127.0.0.1/32', 'via', own[4], 'src', peer[4]]);
  const neighbour = spaces.caller();
  assert.equal(await neighbour.ask({ do: 'dial', ip: '127.0.0.1', port: 8000 }), 'timed out');
  // The packets did come: without the guard they are answered.
  spaces.exec('nft', ['flush', 'chain', 'ip', 'nuncio_localhost', 'prerouting']);
  assert.equal(await neighbour.ask({ do: 'dial', ip: '127.0.0.1', port: 8000 }), 'secret');
});

test('an ambassador that no route leads to is an error, and nothing is left', async () => {
  await using spaces = new Namespaces();
  const before = state(spaces);
  assert.throws(
    () => rules(spaces, 'set', '192.0.2.1', '7000'),
    /no route leads to 192\.0\.2\.1 from this network namespace/,
  );
  assert.equal(state(spaces), before);
});

test('--cleanup-iptables takes the rules of localhost away too', async () => {
  await using spaces = new Namespaces();
  const before = state(spaces);
  rules(spaces, 'set', ambassador, '7000');
  const cleanup = () => spaces.exec(process.execPath, [main, '--cleanup-iptables']).trim();
  assert.equal(cleanup(), 'rules removed from localhost');
  assert.equal(state(spaces), before);
  assert.equal(cleanup(), 'no rules of nuncio were here');
});
