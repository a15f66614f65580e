import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { Callers } from '../../../src/caller/callers.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { connectEngine } from '../../../src/docker/engine.ts';
import { parseDockerHost } from '../../../src/docker/engine-address.ts';
import { LiveFeed } from '../../../src/docker/live-feed.ts';
import { selfContainerId } from '../../../src/docker/self.ts';
import { RecordingLogger } from '../../support/recording-logger.ts';
import { Follower } from '../../unit/docker/follower.ts';
import { docker, RealEngine } from './real-engine.ts';

let engine: RealEngine;

before(async () => {
  engine = await RealEngine.prepare();
});
after(() => engine?.cleanUp());

let feed: LiveFeed;
let follower: Follower;

beforeEach(async (context) => {
  feed = new LiveFeed({ engine: connectEngine({ host: engine.host }), logger: silentLogger });
  follower = new Follower(feed);
  await feed.start();
  assert.ok('after' in context);
  context.after(() => feed.stop());
});

const known = (id: string) => feed.containers.get(id);
const networksOf = (id: string) => (known(id)?.networks ?? []).map((network) => network.name);

test('the engine says its version', async () => {
  assert.match(await connectEngine({ host: engine.host }).engineVersion(), /^\d+\.\d+.* \(API \d/);
});

test('start, pause, unpause, rename, restart, stop', async () => {
  const id = await engine.start('life', '-e', 'BACKEND_80=a:80', '--label', 'nuncio.service=life');
  await follower.until(() => known(id) !== undefined);
  assert.equal(known(id)?.name, engine.name('life'));
  assert.equal(known(id)?.networkMode, 'bridge');
  assert.deepEqual(networksOf(id), ['bridge']);
  assert.equal(known(id)?.labels.get('nuncio.service'), 'life');
  assert.ok(known(id)?.env.some(([name, value]) => name === 'BACKEND_80' && value === 'a:80'));

  await docker('pause', id);
  await follower.until(() => known(id)?.state === 'paused');
  await docker('unpause', id);
  await follower.until(() => known(id)?.state === 'running');
  await docker('rename', id, engine.name('renamed'));
  await follower.until(() => known(id)?.name === engine.name('renamed'));

  follower.changes.length = 0;
  await docker('restart', '-t', '1', id);
  await follower.until(() => follower.changes.some((change) => change.kind === 'gone' && change.id === id));
  await follower.until(() => known(id) !== undefined);
  await docker('stop', '-t', '1', id);
  await follower.until(() => known(id) === undefined);
  await docker('start', id);
  await follower.until(() => known(id) !== undefined);
  await docker('rm', '-f', id);
  await follower.until(() => known(id) === undefined);
});

test('networks connected and disconnected; IPv6', async () => {
  const six = `fd${(process.pid % 256).toString(16).padStart(2, '0')}:6e75:6e63:${(process.pid >> 8).toString(16)}::/64`;
  const net = await engine.network('six', '--ipv6', '--subnet', six);
  const id = await engine.start('nets');
  await follower.until(() => known(id) !== undefined);
  await docker('network', 'connect', net, id);
  await follower.until(() => networksOf(id).includes(net));
  const [v4, v6] = known(id)?.networks.find((network) => network.name === net)?.addresses ?? [];
  assert.match(v4 ?? '', /^\d+\.\d+\.\d+\.\d+$/);
  assert.match(v6 ?? '', /^fd[0-9a-f:]+$/);
  await docker('network', 'disconnect', 'bridge', id);
  await follower.until(() => networksOf(id).join() === net);
  await engine.remove('nets');
  await follower.until(() => known(id) === undefined);
});

test('modes without an address of their own; the id is read from inside', async () => {
  const owner = await engine.start('owner');
  const guest = await engine.start('guest', '--network', `container:${engine.name('owner')}`);
  const host = await engine.start('host', '--network', 'host');
  await follower.until(() => [owner, guest, host].every((id) => known(id) !== undefined));
  assert.equal(known(guest)?.networkMode, `container:${owner}`);
  assert.deepEqual(known(guest)?.networks, []);
  assert.deepEqual([known(host)?.networkMode, known(host)?.networks], ['host', []]);

  for (const [id, expected] of [
    [owner, owner],
    // The owner of the network namespace, whose files the engine mounts.
    [guest, owner],
    [host, host],
  ] as const) {
    const mountinfo = await docker('exec', id, 'cat', '/proc/self/mountinfo');
    assert.equal(selfContainerId({ mountinfo, hostname: '', ids: [] }), expected);
  }
  const hostname = await docker('exec', owner, 'cat', '/etc/hostname');
  assert.equal(selfContainerId({ mountinfo: '', hostname, ids: feed.containers.keys() }), owner);
  for (const name of ['guest', 'owner', 'host']) await engine.remove(name);
});

test('an address reused many times always belongs to the container that has it now', async () => {
  const net = await engine.network(
    'reuse',
    '--subnet',
    `10.${200 + (process.pid % 50)}.${(process.pid >> 6) % 250}.0/24`,
  );
  const ip = (
    await docker('network', 'inspect', net, '--format', '{{(index .IPAM.Config 0).Subnet}}')
  ).replace('.0/24', '.77');
  const callers = new Callers({ feed, logger: silentLogger, allowLocalTargets: false });
  await callers.start();
  try {
    for (let round = 0; round < 12; round += 1) {
      const options = ['--network', net, '--ip', ip, '-e', `BACKEND_80=backend-${round}:80`];
      const id = await engine.start(`reuse-${round}`, ...options);
      await follower.until(() => known(id) !== undefined);
      const caller = callers.find(ip);
      assert.equal(caller?.name, engine.name(`reuse-${round}`));
      const route = caller?.routes.get(80);
      assert.deepEqual(route?.ok && route.value.source, {
        kind: 'static',
        endpoints: [{ host: `backend-${round}`, port: 80 }],
      });
      // The next one starts at once: whether the death has been told by then is the feed's affair.
      await engine.remove(`reuse-${round}`);
    }
    await follower.until(() => callers.find(ip) === undefined);
  } finally {
    await callers.stop();
  }
});

test('containers that live for milliseconds leave nothing behind', async () => {
  const mine = () => follower.names.filter((name) => name.startsWith(engine.name('flash')));
  await Promise.all(
    Array.from({ length: 6 }, (_, at) =>
      docker('run', '--rm', '--name', engine.name(`flash-${at}`), engine.image, 'true'),
    ),
  );
  const last = await engine.start('after');
  await follower.until(() => known(last) !== undefined && mine().length === 0);
  await feed.refresh();
  assert.deepEqual(mine(), []);
  await engine.remove('after');
});

test('the connection to the engine is cut: what is known stays, what was missed is found', async (context) => {
  const address = parseDockerHost(engine.host);
  assert.ok(address.ok);
  const upstream = address.value;
  const sockets = new Set<Socket>();
  const relay = createServer((socket) => {
    const engineSide =
      upstream.kind === 'unix' ? connect(upstream.path) : connect(upstream.port, upstream.host);
    for (const [from, to] of [
      [socket, engineSide],
      [engineSide, socket],
    ] as const) {
      sockets.add(from);
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      from.on('error', () => to.destroy());
      from.pipe(to);
    }
  });
  const folder = await mkdtemp(join(tmpdir(), 'nuncio-relay-'));
  const path = join(folder, 'docker.sock');
  const cut = async () => {
    const closed = once(relay, 'close');
    relay.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  relay.listen(path);
  await once(relay, 'listening');

  const log = new RecordingLogger();
  const relayed = new LiveFeed({ engine: connectEngine({ host: `unix://${path}` }), logger: log });
  const relayedFollower = new Follower(relayed);
  context.after(async () => {
    await relayed.stop();
    if (relay.listening) await cut();
    await rm(folder, { recursive: true, force: true });
  });
  const [stays, goes] = [await engine.start('stays'), await engine.start('goes')];
  await relayed.start();
  relayedFollower.changes.length = 0;

  await cut();
  await engine.remove('goes');
  const comes = await engine.start('comes');
  assert.ok(relayed.containers.has(stays) && relayed.containers.has(goes), 'kept during the outage');
  relay.listen(path);
  await relayedFollower.until(() => relayed.containers.has(comes) && !relayed.containers.has(goes));
  const told = relayedFollower.changes.map((change) =>
    change.kind === 'gone' ? change.id : change.container.id,
  );
  assert.deepEqual(
    told.filter((id) => id === stays || id === goes || id === comes).sort(),
    [goes, comes].sort(),
  );
  assert.equal(log.at('warn').length, 1);
  await engine.remove('stays');
  await relayedFollower.until(() => !relayed.containers.has(stays));
  await engine.remove('comes');
});
