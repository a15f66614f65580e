import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SkippedValues } from '../../../src/discovery/skipped-values.ts';
import { RecordingLogger } from '../../support/recording-logger.ts';

function setUp() {
  const logger = new RecordingLogger();
  return { skipped: new SkippedValues(logger), warned: () => logger.at('warn') };
}

const bad = (key: string, reason = 'no port') => ({ key, reason });

describe('values that are skipped', () => {
  it('are told once each, also when they vanish and come back', () => {
    const { skipped, warned } = setUp();
    skipped.report('etcd://a/x', [bad('web/1'), bad('')]);
    skipped.report('etcd://a/x', [bad('web/1'), bad('')]);
    skipped.report('etcd://a/x', []);
    skipped.report('etcd://a/x', [bad('web/1')]);
    assert.deepEqual(warned(), [
      'etcd://a/x: "web/1" skipped: no port',
      'etcd://a/x: its value skipped: no port',
    ]);
  });

  it('are told again where the fault is another one, or the place', () => {
    const { skipped, warned } = setUp();
    skipped.report('etcd://a/x', [bad('1')]);
    skipped.report('etcd://a/x', [bad('1', 'no host')]);
    skipped.report('etcd://a/y', [bad('1')]);
    assert.equal(warned().length, 3);
  });

  it('are counted as they are now', () => {
    const { skipped } = setUp();
    skipped.report('x', [bad('1'), bad('2')]);
    skipped.report('y', [bad('1')]);
    assert.equal(skipped.count, 3);
    skipped.report('x', [bad('2')]);
    assert.equal(skipped.count, 2);
    skipped.report('x', []);
    skipped.report('y', []);
    assert.equal(skipped.count, 0);
  });

  it('do not flood the log where there are many, however often they are read', () => {
    const { skipped, warned } = setUp();
    const many = Array.from({ length: 20_000 }, (_, index) => bad(`k${index}`));
    for (let round = 0; round < 3; round++) skipped.report('x', many);
    assert.equal(warned().length, 51);
    assert.equal(skipped.count, 20_000);
  });

  it('are forgotten after five thousand others', () => {
    const { skipped, warned } = setUp();
    skipped.report('first', [bad('1')]);
    for (let place = 0; place < 100; place++) {
      skipped.report(
        `x${place}`,
        Array.from({ length: 50 }, (_, index) => bad(`k${index}`)),
      );
    }
    assert.equal(warned().length, 5001);
    skipped.report('first', [bad('1')]);
    assert.equal(warned().length, 5002);
    skipped.report('x99', [bad('k0')]);
    assert.equal(warned().length, 5002);
  });

  it('cannot break a line with their keys', () => {
    const { skipped, warned } = setUp();
    skipped.report('x', [bad(`a\nb${'c'.repeat(1000)}`)]);
    assert.match(warned()[0] ?? '', /^x: "a\\nbc{197}" skipped: no port$/);
  });
});
