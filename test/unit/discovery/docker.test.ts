import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint } from '../../../src/core/endpoint.ts';
import type { Result } from '../../../src/core/result.ts';
import { DockerResolver } from '../../../src/discovery/docker.ts';
import { RecordingLogger } from '../../support/recording-logger.ts';
import { container, FakeFeed } from '../docker/fake-feed.ts';

function setUp(selfId?: string) {
  const feed = new FakeFeed();
  const log = new RecordingLogger();
  const resolver = new DockerResolver({ feed, logger: log, selfId });
  const updates: Result<readonly Endpoint[]>[] = [];
  const abort = new AbortController();
  /** What has been told since the last call, after the microtasks. */
  const told = async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return updates
      .splice(0)
      .map((update) =>
        update.ok
          ? update.value.map((e) => `${e.name}=${e.ip}:${e.port}`).join(' ')
          : `${update.error.code} ${update.error.message}`,
      );
  };
  const watch = (name: string, port?: number) =>
    resolver.watch(
      port === undefined ? { kind: 'docker', name } : { kind: 'docker', name, port },
      (update) => updates.push(update),
      abort.signal,
    );
  return { feed, log, resolver, updates, abort, told, watch };
}

const labelled = (label: string, value: string) => new Map([[label, value]]);

test('by name, Compose service and label; paused and other containers are left out', async () => {
  const t = setUp();
  t.feed.present(container({ id: '1', name: 'web', addresses: ['10.0.0.1'] }));
  t.feed.present(
    container({
      id: '2',
      name: 'p_web_1',
      addresses: ['10.0.0.2'],
      labels: labelled('com.docker.compose.service', 'web'),
    }),
  );
  t.feed.present(
    container({ id: '3', name: 'x', addresses: ['10.0.0.3'], labels: labelled('nuncio.service', 'web') }),
  );
  t.feed.present(container({ id: '4', name: 'web-2', addresses: ['10.0.0.4'] }));
  t.feed.present(
    container({ id: '5', name: 'y', addresses: ['10.0.0.5'], labels: labelled('other', 'web') }),
  );
  t.watch('web', 80);
  assert.deepEqual(t.updates, []);
  assert.deepEqual(await t.told(), ['web=10.0.0.1:80 p_web_1=10.0.0.2:80 x=10.0.0.3:80']);
  t.feed.present(container({ id: '1', name: 'web', addresses: ['10.0.0.1'], state: 'paused' }));
  assert.deepEqual(await t.told(), ['p_web_1=10.0.0.2:80 x=10.0.0.3:80']);
});

test('changes are coalesced; an equal set is not told again; none is an empty set', async () => {
  const t = setUp();
  t.watch('web', 80);
  assert.deepEqual(await t.told(), ['']);
  for (const id of ['1', '2', '3']) {
    t.feed.present(
      container({ id, name: id, addresses: [`10.0.0.${id}`], labels: labelled('nuncio.service', 'web') }),
    );
  }
  t.feed.gone('2');
  assert.deepEqual(await t.told(), ['1=10.0.0.1:80 3=10.0.0.3:80']);
  t.feed.present(container({ id: '9', name: 'else', addresses: ['10.0.0.9'] }));
  t.feed.gone('9');
  assert.deepEqual(await t.told(), []);
  t.feed.gone('1');
  t.feed.gone('3');
  assert.deepEqual(await t.told(), ['']);
});

test('one endpoint a container, on a network that the ambassador is on, IPv4 first', async () => {
  const t = setUp('self');
  const networks = [
    { id: 'n1', name: 'private', addresses: ['10.1.0.1'] },
    { id: 'n2', name: 'six', addresses: ['fd00::1'] },
    { id: 'n3', name: 'four', addresses: ['10.3.0.1', 'fd03::1'] },
  ];
  const self = (...ids: string[]) =>
    container({
      id: 'self',
      name: 'nuncio',
      networks: ids.map((id) => ({ id, name: id, addresses: ['10.9.9.9'] })),
    });
  t.feed.present(self('n2', 'n3'));
  t.feed.present(container({ id: '1', name: 'web', networks }));
  t.watch('web', 80);
  assert.deepEqual(await t.told(), ['web=10.3.0.1:80']);
  t.feed.present(self('n2'));
  assert.deepEqual(await t.told(), ['web=fd00::1:80']);
  t.feed.present(self('n9'));
  assert.deepEqual(await t.told(), [
    'ERR_RESOLVE_FAILED docker://web: web shares no network with the ambassador; join one: docker network connect private nuncio',
  ]);
  t.feed.present(
    container({
      id: '2',
      name: 'w2',
      networks: [{ id: 'n9', name: 'n9', addresses: ['10.9.0.2'] }],
      labels: labelled('nuncio.service', 'web'),
    }),
  );
  assert.deepEqual(await t.told(), ['w2=10.9.0.2:80']);
});

test('only what is healthy, or has no check; where none is, an empty set and why', async () => {
  const t = setUp();
  const web = (id: string, health: 'none' | 'starting' | 'healthy' | 'unhealthy') =>
    t.feed.present(
      container({
        id,
        name: `w${id}`,
        addresses: [`10.0.0.${id}`],
        labels: labelled('nuncio.service', 'web'),
        health,
      }),
    );
  web('1', 'starting');
  t.watch('web', 80);
  const noneOf = (states: string) => [
    '',
    `ERR_NO_ENDPOINT docker://web: no container is healthy (${states})`,
  ];
  assert.deepEqual(await t.told(), noneOf('w1 is starting'));
  web('2', 'none');
  assert.deepEqual(await t.told(), ['w2=10.0.0.2:80']);
  web('1', 'healthy');
  assert.deepEqual(await t.told(), ['w1=10.0.0.1:80 w2=10.0.0.2:80']);
  web('1', 'unhealthy');
  assert.deepEqual(await t.told(), ['w2=10.0.0.2:80']);
  t.feed.gone('2');
  assert.deepEqual(await t.told(), noneOf('w1 is unhealthy'));
  t.feed.gone('9');
  assert.deepEqual(await t.told(), [], 'nothing has changed');
  t.feed.gone('1');
  assert.deepEqual(await t.told(), [''], 'no container is an empty set without a complaint');
});

test('an ambassador on the host’s network, in another container’s, or in none', async () => {
  for (const [self, expected] of [
    [container({ id: 'self', networkMode: 'host', addresses: [] }), 'web=10.0.0.1:80'],
    [container({ id: 'self', networkMode: 'container:pod', addresses: [] }), 'web=10.2.0.1:80'],
    [container({ id: 'other' }), 'web=10.0.0.1:80'],
  ] as const) {
    const t = setUp('self');
    t.feed.present(self);
    t.feed.present(
      container({ id: 'pod', name: 'pod', networks: [{ id: 'n2', name: 'two', addresses: ['10.2.0.9'] }] }),
    );
    t.feed.present(
      container({
        id: '1',
        name: 'web',
        networks: [
          { id: 'n1', name: 'one', addresses: ['10.0.0.1'] },
          { id: 'n2', name: 'two', addresses: ['10.2.0.1'] },
        ],
      }),
    );
    t.watch('web', 80);
    assert.deepEqual(await t.told(), [expected]);
  }
});

test('a container in another one’s network is reached there; on the host’s network it cannot be', async () => {
  const t = setUp();
  t.feed.present(container({ id: 'pod', name: 'pod', addresses: ['10.0.0.7'] }));
  t.feed.present(container({ id: '1', name: 'web', networkMode: 'container:pod', addresses: [] }));
  t.watch('web', 80);
  assert.deepEqual(await t.told(), ['web=10.0.0.7:80']);
  t.feed.present(container({ id: '1', name: 'web', networkMode: 'host', addresses: [] }));
  assert.deepEqual(await t.told(), [
    'ERR_RESOLVE_FAILED docker://web: web has no address of its own (network mode host)',
  ]);
});

test('no port is an error that says what to write', async () => {
  const t = setUp();
  t.watch('web');
  assert.match(
    (await t.told())[0] ?? '',
    /^ERR_RESOLVE_FAILED docker:\/\/web: no port .*docker:\/\/web:<port>/,
  );
});

test('the weight label; a bad one is 1 and complained of once', async () => {
  const t = setUp();
  const weighted = (id: string, weight: string) =>
    container({
      id,
      name: `w${id}`,
      addresses: [`10.0.0.${id}`],
      labels: new Map([
        ['nuncio.service', 'web'],
        ['nuncio.weight', weight],
      ]),
    });
  for (const [id, weight] of [
    ['1', '5'],
    ['2', '0'],
    ['3', '65536'],
    ['4', '-1'],
  ] as const) {
    t.feed.present(weighted(id, weight));
  }
  t.watch('web', 80);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(t.updates[0]?.ok && t.updates[0].value.map((e) => e.weight), [5, 0, 1, 1]);
  t.feed.gone('1');
  await t.told();
  assert.deepEqual(t.log.at('warn'), [
    'container w3, label nuncio.weight: expected 0 to 65535, found "65536"; taken as 1',
    'container w4, label nuncio.weight: expected 0 to 65535, found "-1"; taken as 1',
  ]);
});

test('after abort nothing is told, also what was on its way; the feed is left', async () => {
  const t = setUp();
  t.watch('web', 80);
  t.abort.abort();
  t.feed.present(container({ id: '1', name: 'web' }));
  assert.deepEqual(await t.told(), []);
  assert.equal(t.feed.subscribers, 0);
  t.watch('web', 80);
  assert.deepEqual(await t.told(), []);
  assert.equal(t.feed.subscribers, 0);
});
