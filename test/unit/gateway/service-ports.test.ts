import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { AppError } from '../../../src/core/errors.ts';
import { ServicePorts } from '../../../src/gateway/service-ports.ts';
import type { DataPlane } from '../../../src/proxy/data-plane.ts';
import { RecordingLogger } from '../../support/recording-logger.ts';

/** Data planes whose ports are taken as the test says, and what has become of each. */
function setUp(isTaken: () => boolean) {
  const events: string[] = [];
  const logger = new RecordingLogger();
  const ports = new ServicePorts({
    listen: async (port): Promise<DataPlane> => ({
      address: undefined,
      counters: { active: 1, served: 0, refused: 0 },
      traffic: () => [],
      kind: 'fake',
      start: async () => {
        events.push(`start ${port}`);
        if (isTaken()) throw new AppError('ERR_CANNOT_START', 'EADDRINUSE');
      },
      stop: async (deadlineMs) => {
        events.push(`stop ${port} ${deadlineMs}`);
      },
    }),
    logger,
    drainMs: 7,
    sleep: () => new Promise((resolve) => setImmediate(resolve)),
  });
  return { ports, events, logger };
}

suite('the ports of services', () => {
  test('are opened once, closed with the drain, and counted', async () => {
    const { ports, events, logger } = setUp(() => false);
    ports.set(new Set([1, 2]));
    for (const port of [1, 2]) await logger.line(({ message }) => message === `port ${port}: listening`);
    ports.set(new Set([2]));
    await ports.stop(3);
    assert.equal(ports.active, 0);
    assert.deepEqual(
      events.filter((event) => event.startsWith('start')),
      ['start 1', 'start 2'],
    );
    assert.ok(events.includes('stop 1 7') && events.includes('stop 2 3'));
  });

  test('that are taken are told once and tried again; nothing goes on after the end', async () => {
    let isTaken = true;
    const { ports, events, logger } = setUp(() => isTaken);
    ports.set(new Set([1]));
    while (events.filter((event) => event === 'start 1').length < 4) await new Promise(setImmediate);
    assert.equal(ports.all[0]?.problem, 'EADDRINUSE');
    assert.equal(logger.at('error').length, 1);
    isTaken = false;
    await logger.line(({ message }) => message === 'port 1: listening');
    assert.equal(ports.all[0]?.problem, undefined);
    await ports.stop(0);
    const count = events.length;
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
    assert.equal(events.length, count);
  });

  test('are 1,000 at most', async () => {
    const { ports, logger } = setUp(() => false);
    ports.set(new Set(Array.from({ length: 1100 }, (_, index) => index + 1)));
    assert.equal(ports.all.length, 1000);
    assert.equal(logger.at('error').length, 1);
    await ports.stop(0);
  });
});
