import assert from 'node:assert/strict';
import { it } from 'node:test';
import { startInterception } from '../../../src/ambassador/start-interception.ts';
import { PartStack } from '../../../src/core/part.ts';
import type { DataPlane } from '../../../src/proxy/data-plane.ts';
import { RecordingLogger } from '../../support/recording-logger.ts';

it('steering that is asked for, where it is not to be, ends the start and tells why; no rules are tried', async () => {
  const proxy = { listener: 3 } as DataPlane;
  const logger = new RecordingLogger();
  const settings = { proxyPort: 10_000, dnat: { proxyIps: ['172.17.0.1'], takePorts: [] } };
  const options = { mode: 'steer', proxy, selfName: undefined, logger, parts: new PartStack() } as const;
  await assert.rejects(startInterception(settings, options), {
    code: 'ERR_CANNOT_START',
    message: '--rules=steer, but --dnat is done by nat rules',
  });
  assert.deepEqual(logger.lines, []);
});
