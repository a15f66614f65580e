import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Counters, makeCounterMemory } from '../../../../src/proxy/epoll/counters.ts';
import { Reports } from '../../../../src/proxy/epoll/reports.ts';

/** Lines on their way that are as many as the worker keeps. */
const most = 20_000;

function setUp(settings: { logsInfo: boolean; lineFormat?: 'json' | 'readable' }) {
  const memory = makeCounterMemory(1);
  const reports = new Reports({ front: 1, ...settings }, new Counters(memory, 1), { now: 0 });
  return { reports, taker: new Counters(memory, 1) };
}

describe('lines of connections', () => {
  it('are written by the worker where the logger takes them so', () => {
    const { reports } = setUp({ logsInfo: true, lineFormat: 'json' });
    for (const connId of ['1-1', '1-2']) reports.connection({ caller: 'web', connId });
    const { written, writtenCount, lines } = reports.take();
    assert.deepEqual([writtenCount, lines.length], [2, 0]);
    assert.ok(written.endsWith('}\n'));
    const [first, second] = written
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual([first.message, first.level, first.caller], ['connection', 'info', 'web']);
    assert.ok(Math.abs(Date.parse(first.timestamp) - Date.now()) < 60_000);
    assert.equal(second.connId, '1-2');
    assert.equal(reports.take().written, '');
  });

  it('are left to the logger where it takes none', () => {
    const { reports } = setUp({ logsInfo: true });
    reports.connection({ connId: '1-1' });
    const { written, lines } = reports.take();
    assert.equal(written, '');
    assert.deepEqual(lines, [{ level: 'info', message: 'connection', fields: { connId: '1-1' } }]);
  });

  it('are not made where nobody reads them', () => {
    const { reports } = setUp({ logsInfo: false, lineFormat: 'json' });
    reports.connection({ connId: '1-1' });
    assert.equal(reports.take().writtenCount, 0);
    assert.equal(reports.due, Number.POSITIVE_INFINITY);
  });

  it('are dropped and counted while the main thread does not keep up', () => {
    const { reports, taker } = setUp({ logsInfo: true, lineFormat: 'json' });
    for (let count = 0; count < most + 5; count++) reports.connection({ connId: 'x' });
    const full = reports.take();
    assert.deepEqual([full.writtenCount, full.lostLines], [most, 5]);
    reports.connection({ connId: 'x' });
    assert.equal(reports.take().lostLines, 1);
    taker.tookLines(most);
    reports.connection({ connId: 'x' });
    assert.equal(reports.take().writtenCount, 1);
  });
});
