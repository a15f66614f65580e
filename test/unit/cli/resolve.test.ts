import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Source, withDialledPort } from '../../../src/backend/backend.ts';
import { parseDescriptor } from '../../../src/backend/parse.ts';
import { endpointChanges, endpointTable, formatAge, pointAt } from '../../../src/cli/endpoint-report.ts';
import { type ResolveOptions, resolve } from '../../../src/cli/resolve.ts';
import { endpoint } from '../../../src/core/endpoint.ts';
import { AppError } from '../../../src/core/errors.ts';
import { fail, ok } from '../../../src/core/result.ts';
import type { OnUpdate } from '../../../src/discovery/resolver.ts';

const a = endpoint('10.0.0.1', 6379, { name: 'redis-1', tags: ['eu', 'ssd'] });
const b = endpoint('2001:db8::2', 6379, { name: 'redis-2', weight: 5, priority: 1 });
const outage = new AppError('ERR_RESOLVE_FAILED', 'no answer from 10.0.0.53');

function setUp(isWatching: boolean, refusal?: AppError) {
  let tell: OnUpdate | undefined;
  let released = 0;
  const printed: string[] = [];
  const waiting = new Set<() => void>();
  const stop = new AbortController();
  const parsed = parseDescriptor('docker://redis');
  assert.ok(parsed.ok);
  const options: ResolveOptions = {
    backend: withDialledPort(parsed.value, 6379),
    isWatching,
    sources: {
      refusal: () => refusal,
      follow: (_source: Source, onUpdate: OnUpdate) => {
        tell = onUpdate;
        return () => void released++;
      },
    },
    connect: async ({ ip }) => (ip === a.ip ? undefined : 'ECONNREFUSED'),
    knownSince: ({ ip }) => (ip === a.ip ? Date.now() - 301_000 : undefined),
    print: (line) => {
      printed.push(line);
      for (const wake of waiting) wake();
    },
    signal: stop.signal,
  };
  const done = resolve(options);
  return {
    done,
    stop,
    printed,
    released: () => released,
    tell: (update: Parameters<OnUpdate>[0]) => tell?.(update),
    lines: async (count: number) => {
      while (printed.length < count) {
        await new Promise<void>((woken) => waiting.add(woken));
      }
    },
  };
}

describe('nuncio resolve', () => {
  it('prints the endpoints with health, weight and age, and ends', async () => {
    const t = setUp(false);
    t.tell(ok([a, b]));
    await t.done;
    const [head, table = ''] = t.printed;
    assert.equal(head, 'docker://redis:6379  (source: docker)');
    const [columns, first, second] = table.split('\n');
    assert.match(columns ?? '', /^ENDPOINT +NAME +PRIORITY +WEIGHT +TAGS +HEALTH +AGE$/);
    assert.match(first ?? '', /^10\.0\.0\.1:6379 +redis-1 +0 +1 +eu,ssd +accepts in \d+\.\d ms +5m$/);
    assert.match(second ?? '', /^\[2001:db8::2\]:6379 +redis-2 +1 +5 +- +down, ECONNREFUSED +0s$/);
    assert.equal(t.released(), 1);
  });

  it('says that there is none', async () => {
    const t = setUp(false);
    t.tell(ok([]));
    await t.done;
    assert.match(t.printed[1] ?? '', /no endpoint/);
  });

  it('fails with the error of the source', async () => {
    const t = setUp(false);
    t.tell(fail(outage));
    await assert.rejects(t.done, outage);
    assert.equal(t.released(), 1);
  });

  it('fails at once where the build has no such source', async () => {
    const t = setUp(false, new AppError('ERR_NOT_IN_BUILD', 'not in this build'));
    await assert.rejects(t.done, { code: 'ERR_NOT_IN_BUILD' });
  });

  it('with --watch prints each change until it is stopped', async () => {
    const t = setUp(true);
    t.tell(ok([a]));
    await t.lines(2);
    t.tell(ok([{ ...a, weight: 9 }, b]));
    t.tell(fail(outage));
    t.tell(ok([b]));
    t.tell(ok([b]));
    await t.lines(7);
    t.stop.abort();
    await t.done;
    const changes = t.printed.slice(2).map((line) => line.replace(/^\d\d:\d\d:\d\d\.\d{3} /, ''));
    assert.deepEqual(changes, [
      '~ 10.0.0.1:6379  redis-1, priority 0, weight 9, tags eu,ssd',
      '+ [2001:db8::2]:6379  redis-2, priority 1, weight 5',
      '! no answer from 10.0.0.53; the last set stays',
      '- 10.0.0.1:6379  redis-1, priority 0, weight 9, tags eu,ssd',
      '= the source answers again, [2001:db8::2]:6379',
    ]);
    assert.equal(t.released(), 1);
  });

  it('with --watch goes on after a source that fails at first', async () => {
    const t = setUp(true);
    t.tell(fail(outage));
    await t.lines(2);
    t.tell(ok([b]));
    await t.lines(3);
    t.stop.abort();
    await t.done;
    assert.match(t.printed[1] ?? '', /^! no answer/);
    assert.match(t.printed[2] ?? '', /\+ \[2001:db8::2\]:6379/);
  });
});

describe('the report', () => {
  it('has no trailing spaces', () => {
    const table = endpointTable([{ endpoint: a, health: 'x', ageMs: 1 }]);
    for (const line of table.split('\n')) assert.equal(line, line.trimEnd());
  });

  it('writes ages in the largest unit that fits twice', () => {
    const ages = [0, 1999, 119_000, 120_000, 7_199_000, 7_200_000, 172_800_000].map(formatAge);
    assert.deepEqual(ages, ['0s', '1s', '119s', '2m', '119m', '2h', '2d']);
  });

  it('says nothing of what has not changed', () => assert.deepEqual(endpointChanges([a, b], [b, a]), []));

  it('points at the column of a fault', () =>
    assert.equal(pointAt('redis-1:', 9), '  redis-1:\n          ^'));
});
