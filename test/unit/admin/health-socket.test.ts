import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import {
  type HealthReport,
  HealthSocket,
  healthSocketPath,
  readHealth,
} from '../../../src/admin/health-socket.ts';
import { RecordingLogger } from '../../support/recording-logger.ts';

let root = '';
let directory = '';
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'nuncio-health-'));
});
after(() => rm(root, { recursive: true }));
beforeEach(async () => {
  directory = await mkdtemp(join(root, 'run-'));
});

describe('HealthSocket', () => {
  it('answers with the report of the moment, and leaves nothing behind', async () => {
    let report: HealthReport = { isServing: true, detail: 'fine' };
    const path = healthSocketPath(10_000, join(directory, 'made', 'here'));
    const health = new HealthSocket({ path, report: () => report, logger: new RecordingLogger() });
    await health.start();
    assert.deepEqual(await readHealth(path), { ok: true, value: report });
    report = { isServing: false, detail: 'draining' };
    assert.deepEqual(await readHealth(path), { ok: true, value: report });
    await health.stop();
    await health.stop();
    assert.deepEqual(await readdir(join(directory, 'made', 'here')), []);
    assert.equal((await readHealth(path)).ok, false);
  });

  it('takes the place of what a killed ambassador has left', async () => {
    const path = healthSocketPath(1, directory);
    await writeFile(path, '');
    const health = new HealthSocket({
      path,
      report: () => ({ isServing: true, detail: 'x' }),
      logger: new RecordingLogger(),
    });
    await health.start();
    assert.equal((await readHealth(path)).ok, true);
    await health.stop();
  });

  it('serves without it, and says so, where it cannot be made', async () => {
    const file = join(directory, 'file');
    await writeFile(file, '');
    const logger = new RecordingLogger();
    const path = healthSocketPath(1, file);
    const health = new HealthSocket({ path, report: () => ({ isServing: true, detail: 'x' }), logger });
    await health.start();
    assert.match(logger.at('warn')[0] ?? '', /no health socket at .*nuncio --health will not work/);
    await health.stop();
  });
});

describe('readHealth', () => {
  for (const [what, answer] of [
    ['nothing', ''],
    ['garbage', 'HTTP/1.1 200 OK\r\n\r\n'],
    ['another JSON', '{"status":"ok"}'],
    ['a flood', 'x'.repeat(100_000)],
  ] as const) {
    it(`takes ${what} for no report`, async () => {
      const path = join(directory, 'other.sock');
      const server = createServer((socket) => {
        socket.on('error', () => {});
        socket.end(answer);
      });
      await new Promise<void>((resolve) => server.listen(path, resolve));
      const report = await readHealth(path);
      server.close();
      assert.equal(report.ok, false);
    });
  }
});
