import assert from 'node:assert/strict';
import { it } from 'node:test';
import { bytes, count, dateTime, duration, perSecond } from '../../../../src/admin/page/format.ts';

it('writes bytes in decimal units, at most three digits', () => {
  const texts = [0, 1, 999, 1000, 1250, 9949, 9951, 99_499, 999_499, 999_500, 1e6, 2.5e9, 1e15, 5e18].map(
    bytes,
  );
  assert.deepEqual(texts, [
    '0 B',
    '1 B',
    '999 B',
    '1 kB',
    '1.3 kB',
    '9.9 kB',
    '10 kB',
    '99 kB',
    '999 kB',
    '1 MB',
    '1 MB',
    '2.5 GB',
    '1 PB',
    '5,000 PB',
  ]);
});

it('writes counts and rates', () => {
  assert.deepEqual([0, 999, 1234567].map(count), ['0', '999', '1,234,567']);
  assert.deepEqual([0, 0.01, 0.25, 3, 12.7, 4321].map(perSecond), [
    '0/s',
    '<0.1/s',
    '0.3/s',
    '3/s',
    '13/s',
    '4,321/s',
  ]);
});

it('writes durations in their two largest units, a clock that went back as none', () => {
  const s = 1000;
  const durations = [0, 59 * s, 60 * s, 3599 * s, 3600 * s, 3660 * s, 86_400 * s, 90_000 * s, -5 * s];
  assert.deepEqual(
    durations.map((ms) => duration(0, ms)),
    ['0 s', '59 s', '1 min', '59 min', '1 h', '1 h 1 min', '1 d', '1 d 1 h', '0 s'],
  );
});

it('writes times in UTC', () => {
  assert.equal(dateTime(Date.UTC(2026, 0, 2, 3, 4, 5, 678)), '2026-01-02 03:04:05');
});
