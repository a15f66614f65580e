import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RecentProblems } from '../../../src/admin/recent-problems.ts';
import { RecordingLogger } from '../../support/recording-logger.ts';

describe('RecentProblems', () => {
  it('passes every line on, and keeps warnings and errors with their code', () => {
    const log = new RecordingLogger();
    let nowMs = 1000;
    const problems = new RecentProblems(log, () => nowMs);
    problems.debug('d', { a: 1 });
    problems.info('i');
    problems.warn('w', { code: 'ERR_LIMIT', caller: 'web' });
    nowMs = 2000;
    problems.error('e', { code: 7 });
    assert.deepEqual(
      log.lines.map(({ level, message }) => [level, message]),
      [
        ['debug', 'd'],
        ['info', 'i'],
        ['warn', 'w'],
        ['error', 'e'],
      ],
    );
    assert.deepEqual(log.lines[2]?.fields, { code: 'ERR_LIMIT', caller: 'web' });
    assert.deepEqual(problems.list(), [
      { level: 'error', message: 'e', first: 2000, last: 2000, count: 1 },
      { level: 'warn', message: 'w', code: 'ERR_LIMIT', first: 1000, last: 1000, count: 1 },
    ]);
  });

  it('makes equal lines one, at the place of the latest', () => {
    let nowMs = 0;
    const problems = new RecentProblems(new RecordingLogger(), () => ++nowMs);
    for (const message of ['a', 'b', 'a']) problems.warn(message);
    problems.error('a');
    assert.deepEqual(
      problems.list().map(({ level, message, count, first, last }) => [level, message, count, first, last]),
      [
        ['error', 'a', 1, 4, 4],
        ['warn', 'a', 2, 1, 3],
        ['warn', 'b', 1, 2, 2],
      ],
    );
    assert.deepEqual(problems.counts, { warn: 3, error: 1 });
  });

  it('keeps a bounded number of bounded lines', () => {
    const problems = new RecentProblems(new RecordingLogger());
    for (let number = 0; number < 5000; number++) problems.warn(`${number} ${'x'.repeat(10_000)}`);
    const kept = problems.list();
    assert.equal(kept.length, 100);
    assert.match(kept[0]?.message ?? '', /^4999 x+…$/);
    assert.ok(kept.every(({ message }) => message.length === 500));
    assert.equal(problems.counts.warn, 5000);
  });
});
