import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Timed, TimerWheel } from '../../../../src/proxy/epoll/timers.ts';

class Entry implements Timed {
  deadline = 0;
  slot = -1;
  next: Timed | undefined = undefined;
  previous: Timed | undefined = undefined;
  wanted: number | undefined;
  firedAt: number | undefined;
  onDeadline(): void {}
  abandon(): void {}
}

const step = fc.oneof(
  fc.record({ do: fc.constant('set' as const), entry: fc.nat(9), ms: fc.nat(60_000) }),
  fc.record({ do: fc.constant('clear' as const), entry: fc.nat(9) }),
  fc.record({ do: fc.constant('pass' as const), ms: fc.nat(12_000) }),
);

describe('TimerWheel', () => {
  it('lets everything expire once, never early and at most a tick late, and never sleeps too long', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.nat(100_000), (steps, begin) => {
        let now = begin;
        const wheel = new TimerWheel(now);
        const entries = Array.from({ length: 10 }, () => new Entry());
        const expire = (timed: Timed) => {
          const entry = timed as Entry;
          assert.ok(entry.wanted !== undefined && entry.wanted <= now, 'not early, and only what is set');
          entry.wanted = undefined;
        };
        for (const each of steps) {
          if (each.do === 'pass') {
            now += each.ms;
            wheel.advance(now, expire);
          } else {
            const entry = entries[each.entry];
            assert.ok(entry);
            if (each.do === 'clear') wheel.clear(entry);
            else wheel.set(entry, now + each.ms);
            entry.wanted = each.do === 'set' ? now + each.ms : undefined;
          }
          const due = Math.min(...entries.map(({ wanted }) => wanted ?? Number.POSITIVE_INFINITY));
          assert.ok(due + 8 > now, 'at most a tick late');
          assert.ok(now + wheel.msLeft(now) <= due + 8, 'a wait that ends in time');
        }
      }),
      { numRuns: 500 },
    );
  });

  it('does not wake a thread again and again before a deadline', () => {
    const wheel = new TimerWheel(0);
    const entry = new Entry();
    wheel.set(entry, 30_001);
    let now = 0;
    let wakes = 0;
    while (entry.slot >= 0) {
      now += wheel.msLeft(now);
      wheel.advance(now, () => {});
      if (++wakes > 20) break;
    }
    assert.ok(wakes <= 6, `${wakes} wake-ups`);
    assert.ok(now >= 30_001 && now <= 30_009);
  });
});
