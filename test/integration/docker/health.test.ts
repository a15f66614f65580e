import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { endpointKey } from '../../../src/core/endpoint.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { DockerResolver } from '../../../src/discovery/docker.ts';
import { connectEngine } from '../../../src/docker/engine.ts';
import { LiveFeed } from '../../../src/docker/live-feed.ts';
import { Updates } from '../../support/updates.ts';
import { docker, RealEngine } from './real-engine.ts';

let engine: RealEngine;
let feed: LiveFeed;

before(async () => {
  engine = await RealEngine.prepare();
  feed = new LiveFeed({ engine: connectEngine({ host: engine.host }), logger: silentLogger });
  await feed.start();
});
after(async () => {
  await feed?.stop();
  await engine?.cleanUp();
});

/** Healthy while the file is there. */
const check = [
  '--health-cmd=cat /healthy',
  '--health-interval=200ms',
  '--health-retries=1',
  '--health-start-period=0s',
];

test('a container is an endpoint while its health check passes', async () => {
  const service = `web-${process.pid}`;
  const end = new AbortController();
  const updates = new Updates();
  new DockerResolver({ feed, logger: silentLogger }).watch(
    { kind: 'docker', name: service, port: 80 },
    updates.onUpdate,
    end.signal,
  );
  /** Reads updates until one is as wanted; in between there may be any. */
  const until = async (wanted: string) => {
    for (let seen = 0; seen < 12; seen++) {
      const update = await updates.next();
      const text = update.ok ? update.value.map(endpointKey).join(' ') || 'nothing' : update.error.message;
      if (text.includes(wanted)) return;
    }
    assert.fail(`never came: ${wanted}`);
  };
  const label = ['--label', `nuncio.service=${service}`];
  const addressOf = async (id: string) =>
    `${await docker('inspect', '-f', '{{.NetworkSettings.IPAddress}}', id)}:80`;
  try {
    await until('nothing');
    const checked = await engine.start('checked', ...label, ...check);
    await until(`${engine.name('checked')} is unhealthy`);
    await docker('exec', checked, 'sh', '-c', ': > /healthy');
    await until(await addressOf(checked));

    const plain = await engine.start('plain', ...label);
    await until(await addressOf(plain));
    await docker('exec', checked, 'sh', '-c', 'exec /bin/busybox rm /healthy');
    for (let seen = 0; seen < 4; seen++) {
      if ((await updates.text()) === (await addressOf(plain))) break;
      assert.ok(seen < 3, 'the unhealthy one leaves, the one without a check stays');
    }
  } finally {
    end.abort();
  }
});
