import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readEvent } from '../../../src/docker/events.ts';
import { JsonLines } from '../../../src/docker/json-lines.ts';

test('what the events mean', () => {
  const container = (Action: string) => ({ Type: 'container', Action, Actor: { ID: 'c1', Attributes: {} } });
  const network = (Action: string) => ({
    Type: 'network',
    Action,
    Actor: { ID: 'n1', Attributes: { container: 'c1' } },
  });
  for (const [event, kind] of [
    [container('start'), 'started'],
    [container('pause'), 'changed'],
    [container('unpause'), 'changed'],
    [container('rename'), 'changed'],
    [container('health_status: healthy'), 'changed'],
    [container('health_status'), 'changed'],
    [container('die'), 'ended'],
    [container('destroy'), 'ended'],
    [network('connect'), 'changed'],
    [network('disconnect'), 'changed'],
  ] as const) {
    assert.deepEqual(readEvent(event), { kind, id: 'c1' }, event.Action);
  }
});

test('anything else is nothing', () => {
  for (const json of [
    null,
    5,
    'start',
    {},
    { Type: 'container', Action: 'start' },
    { Type: 'container', Action: 'start', Actor: {} },
    { Type: 'container', Action: 'exec_start: sh', Actor: { ID: 'c1' } },
    { Type: 'image', Action: 'destroy', Actor: { ID: 'i1' } },
    { Type: 'network', Action: 'destroy', Actor: { ID: 'n1', Attributes: { container: 'c1' } } },
    { Type: 'network', Action: 'connect', Actor: { ID: 'n1', Attributes: null } },
  ]) {
    assert.equal(readEvent(json), undefined, JSON.stringify(json));
  }
});

test('lines come out the same however the bytes are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.jsonValue({ stringUnit: 'binary' }), { maxLength: 8 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 9 })),
      (values, cuts) => {
        const bytes = Buffer.from(values.map((value) => `${JSON.stringify(value)}\n`).join(''));
        const lines = new JsonLines();
        const out: unknown[] = [];
        for (let at = 0; at < bytes.length; ) {
          const size = cuts.next().value ?? 1;
          out.push(...lines.push(bytes.subarray(at, at + size)));
          at += size;
        }
        assert.equal(JSON.stringify(out), JSON.stringify(values));
      },
    ),
  );
});

test('a line that does not end, or is no JSON, is refused', () => {
  assert.throws(() => new JsonLines().push(Buffer.alloc(1_048_577, 0x61)), RangeError);
  assert.throws(() => new JsonLines().push(Buffer.from('{"a":\n')), SyntaxError);
});
