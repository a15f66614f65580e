import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { etcdEntries } from '../../../src/registration/encode.ts';
import { Registrar } from '../../../src/registration/registrar.ts';
import { RecordingLogger } from '../../support/recording-logger.ts';
import { container, FakeFeed } from '../docker/fake-feed.ts';

const published = [{ containerPort: 80, protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 7 }];
const web = (id: string, domain = 'a.b') =>
  container({ id: id.repeat(64), name: `web-${id}`, env: [['DOMAIN_NAME', domain]], published });

async function registering(feed = new FakeFeed()) {
  const logger = new RecordingLogger();
  let held: string[] = [];
  const registrar = new Registrar({
    feed,
    logger,
    hostIp: '10.0.0.5',
    hold(all) {
      held = [...etcdEntries(all, '').keys()].map((key) => key.slice(0, -11));
    },
  });
  await registrar.start();
  return { feed, logger, registrar, held: () => held };
}

describe('the containers of a host', () => {
  it('are registered when they run already, start, stop, are paused and go on', async () => {
    const feed = new FakeFeed();
    feed.present(web('1'));
    const { held } = await registering(feed);
    assert.deepEqual(held(), ['/apps/a.b/1']);
    feed.present(web('2'));
    assert.deepEqual(held(), ['/apps/a.b/1', '/apps/a.b/2']);
    feed.gone('1'.repeat(64));
    assert.deepEqual(held(), ['/apps/a.b/2']);
    feed.present({ ...web('2'), state: 'paused' });
    assert.deepEqual(held(), []);
    feed.present(web('2'));
    assert.deepEqual(held(), ['/apps/a.b/2']);
    feed.present({ ...web('2'), published: [] });
    assert.deepEqual(held(), []);
  });

  it('that make no sense are counted and told once', async () => {
    const { feed, logger, registrar, held } = await registering();
    const odd = web('1', 'a.b,bad domain');
    for (const state of ['running', 'paused', 'running'] as const) feed.present({ ...odd, state });
    feed.present({ ...web('2'), published: [] });
    assert.deepEqual(held(), ['/apps/a.b/1']);
    assert.equal(registrar.problems.length, 2);
    assert.deepEqual(logger.at('warn'), registrar.problems);
    assert.match(
      logger.at('warn')[0] ?? '',
      /^container web-1: not registered: DOMAIN_NAME: .*"bad domain"$/,
    );
    assert.match(logger.at('warn')[1] ?? '', /^container web-2: not registered: no TCP port is published/);
    feed.gone('1'.repeat(64));
    assert.equal(registrar.problems.length, 1);
  });

  it('are nobody’s business after the end', async () => {
    const { feed, registrar } = await registering();
    await registrar.stop();
    assert.equal(feed.subscribers, 0);
  });
});
