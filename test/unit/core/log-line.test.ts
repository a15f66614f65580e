import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatLine } from '../../../src/core/log-line.ts';

const at = '2026-11-21T19:00:00.123Z';

describe('a line of the log', () => {
  it('is one JSON object with its fields after the fixed ones', () => {
    const fields = { caller: 'web "1"', bytesUp: 90, connectMs: 0.553, nothing: undefined, tags: ['a'] };
    const line = formatLine('json', at, 'info', 'said "no"\n', fields);
    assert.equal(line.includes('\n'), false);
    assert.deepEqual(JSON.parse(line), {
      timestamp: at,
      level: 'info',
      message: 'said "no"\n',
      caller: 'web "1"',
      bytesUp: 90,
      connectMs: 0.553,
      tags: ['a'],
    });
    assert.deepEqual(Object.keys(JSON.parse(line)).slice(0, 3), ['timestamp', 'level', 'message']);
  });

  it('is JSON without fields, too', () => {
    const expected = { timestamp: at, level: 'warn', message: 'x' };
    for (const fields of [{}, { nothing: undefined }]) {
      assert.deepEqual(JSON.parse(formatLine('json', at, 'warn', 'x', fields)), expected);
    }
  });

  it('is time of day, level, message and fields for a person', () => {
    const fields = { caller: 'web-1', reason: 'two words', count: 2 };
    const line = formatLine('readable', at, 'info', 'connection', fields);
    assert.equal(line, '19:00:00.123 info  connection caller=web-1 reason="two words" count=2');
  });
});
