import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { applyTracking } from '../../../src/nat/tracking.ts';
import { RecordingLogger } from '../../support/recording-logger.ts';

describe('connection tracking', () => {
  it('is written where it is asked for, and only that', async () => {
    const written: string[][] = [];
    const write = async (...call: string[]) => void written.push(call);
    const logger = new RecordingLogger();
    await applyTracking({ maxConnections: 65_536, timeWaitSeconds: 30 }, logger, write);
    await applyTracking({}, logger, write);
    assert.deepEqual(written, [
      ['/proc/sys/net/netfilter/nf_conntrack_max', '65536\n'],
      ['/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_time_wait', '30\n'],
    ]);
  });

  it('that cannot be written is told with what to do, and the rest is written', async () => {
    const written: string[] = [];
    const write = async (path: string) => {
      if (path.endsWith('_max')) throw Object.assign(new Error('read-only'), { code: 'EROFS' });
      written.push(path);
    };
    const logger = new RecordingLogger();
    await applyTracking({ maxConnections: 9, timeWaitSeconds: 30 }, logger, write);
    assert.equal(written.length, 1);
    const warnings = logger.at('warn');
    assert.equal(warnings.length, 1);
    assert.match(
      warnings[0] ?? '',
      /nf_conntrack_max stays as it is \(EROFS\).* sysctl -w net\.netfilter\.nf_conntrack_max=9$/,
    );
  });
});
