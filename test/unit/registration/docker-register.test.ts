import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DockerRegister, type DockerRegisterTarget } from '../../../src/registration/docker-register.ts';
import { RecordingLogger } from '../../support/recording-logger.ts';
import { container, FakeFeed } from '../docker/fake-feed.ts';

const published = (hostPort: number) => [
  { containerPort: 80, protocol: 'tcp', hostIp: '10.0.0.5', hostPort },
];
const apache = (hostPort: number) => container({ name: 'apache.service', published: published(hostPort) });

async function following(rest: Partial<DockerRegisterTarget> = {}) {
  const feed = new FakeFeed();
  const logger = new RecordingLogger();
  const target = {
    container: 'apache.service',
    port: 80,
    service: 'apache-A',
    fields: [],
    hostIp: undefined,
  };
  let held: ReadonlyMap<string, string> = new Map();
  const keeper = {
    hold(entries: ReadonlyMap<string, string>): void {
      held = entries;
    },
  };
  const register = new DockerRegister({ feed, keeper, logger, target: { ...target, ...rest } });
  await register.start();
  return { feed, logger, register, held: () => [...held].map(([key, value]) => `${key} ${value}`) };
}

describe('docker-register', () => {
  it('writes the document of its predecessor', async () => {
    const { feed, held } = await following();
    feed.present(apache(49_155));
    assert.deepEqual(held(), ['/services/apache-A/apache.service {"port":49155,"host":"10.0.0.5"}']);
  });

  it('adds what else it was told', async () => {
    const { feed, held } = await following({
      fields: [
        ['weight', '5'],
        ['zone', 'a=b'],
      ],
    });
    feed.present(apache(1));
    assert.deepEqual(held(), [
      '/services/apache-A/apache.service {"port":1,"host":"10.0.0.5","weight":"5","zone":"a=b"}',
    ]);
  });

  it('follows its container: gone, come back elsewhere, paused', async () => {
    const { feed, held, logger } = await following();
    assert.match(logger.at('warn')[0] ?? '', /apache\.service does not run; waiting for it/);
    feed.present(apache(1));
    feed.gone('c1');
    assert.deepEqual(held(), []);
    feed.present(apache(2));
    assert.match(held()[0] ?? '', /"port":2/);
    feed.present({ ...apache(2), state: 'paused' });
    assert.deepEqual(held(), []);
  });

  it('takes an id for the container, and no other container', async () => {
    const id = 'ab'.repeat(32);
    const { feed, held } = await following({ container: id.slice(0, 12) });
    feed.present(container({ id: 'c'.repeat(64), name: 'other', published: published(7) }));
    assert.deepEqual(held(), []);
    feed.present(container({ id, name: 'web', published: published(8) }));
    assert.match(held()[0] ?? '', /^\/services\/apache-A\/abababababab .*"port":8/);
  });

  it('says once why there is nothing to register', async () => {
    const { feed, logger } = await following();
    for (const id of ['x', 'y']) feed.present(container({ id, name: id }));
    assert.equal(logger.at('warn').length, 1);
    feed.present(container({ name: 'apache.service' }));
    assert.match(logger.at('warn')[1] ?? '', /publishes no port/);
  });

  it('leaves nothing behind', async () => {
    const { feed, register } = await following();
    await register.stop();
    assert.equal(feed.subscribers, 0);
  });
});
