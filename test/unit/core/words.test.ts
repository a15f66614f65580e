import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  canonicalIp,
  formatHostPort,
  isLoopbackOrLinkLocal,
  isUnspecified,
  parsePort,
} from '../../../src/core/address.ts';
import { Backoff } from '../../../src/core/backoff.ts';
import { formatDuration, parseDuration } from '../../../src/core/duration.ts';
import { canonicalSet, endpoint, sameSet } from '../../../src/core/endpoint.ts';
import { nearestWord } from '../../../src/core/nearest.ts';
import { type Part, PartStack } from '../../../src/core/part.ts';

describe('canonicalIp', () => {
  const cases: readonly [text: string, canonical: string | undefined][] = [
    ['10.0.0.1', '10.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['::FFFF:0a00:0001', '10.0.0.1'],
    ['2001:0DB8:0:0::1', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::', '::'],
    ['10.0.0.256', undefined],
    ['10.0.0', undefined],
    ['redis', undefined],
    ['', undefined],
  ];
  for (const [text, canonical] of cases) {
    it(`${JSON.stringify(text)} is ${canonical}`, () => assert.equal(canonicalIp(text), canonical));
  }

  it('is its own canonical form', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const once = canonicalIp(text);
        assert.ok(once !== undefined);
        assert.equal(canonicalIp(once), once);
      }),
    );
  });
});

describe('addresses', () => {
  it('writes IPv6 in brackets', () => {
    assert.equal(formatHostPort('::1', 80), '[::1]:80');
    assert.equal(formatHostPort('redis', 80), 'redis:80');
  });

  it('knows loopback and link-local', () => {
    for (const ip of ['127.0.0.1', '127.9.9.9', '169.254.169.254', '::1', 'fe80::1', 'febf::1']) {
      assert.ok(isLoopbackOrLinkLocal(ip), ip);
    }
    for (const ip of ['10.0.0.1', '128.0.0.1', '169.253.0.1', '::2', 'fec0::1', '2001:db8::1']) {
      assert.ok(!isLoopbackOrLinkLocal(ip), ip);
    }
  });

  it('knows what is nobody', () => {
    for (const ip of ['0.0.0.0', '0.1.2.3', '::']) assert.ok(isUnspecified(ip), ip);
    for (const ip of ['1.0.0.0', '::1']) assert.ok(!isUnspecified(ip), ip);
  });

  it('takes decimal digits from 1 to 65535 for a port', () => {
    assert.equal(parsePort('65535'), 65_535);
    for (const text of ['0', '65536', '', '+80', ' 80', '80 ', '0x50', '8e1', '-1', '123456']) {
      assert.equal(parsePort(text), undefined, text);
    }
  });
});

describe('durations', () => {
  const cases: readonly [string, number | undefined][] = [
    ['500ms', 500],
    ['2s', 2000],
    ['1.5m', 90_000],
    ['1h', 3_600_000],
    ['0s', 0],
    ['2', undefined],
    ['-2s', undefined],
    ['2 s', undefined],
    ['s', undefined],
    ['1d', undefined],
  ];
  for (const [text, ms] of cases) it(`${text} is ${ms} ms`, () => assert.equal(parseDuration(text), ms));

  it('are read back as they are written', () => {
    fc.assert(fc.property(fc.nat(100_000_000), (ms) => assert.equal(parseDuration(formatDuration(ms)), ms)));
  });
});

describe('nearestWord', () => {
  it('finds what was probably meant', () => {
    const known = ['omnimode', 'port', 'setup-iptables'];
    assert.equal(nearestWord('omni-mode', known), 'omnimode');
    assert.equal(nearestWord('prot', known), 'port');
    assert.equal(nearestWord('setup-iptable', known), 'setup-iptables');
    assert.equal(nearestWord('banana', known), undefined);
    assert.equal(nearestWord('x'.repeat(100_000), known), undefined);
  });
});

describe('endpoint sets', () => {
  it('keep each address once, by priority, else in the order of the source', () => {
    const [c, a, b] = [
      endpoint('10.0.0.3', 1),
      endpoint('10.0.0.1', 1),
      endpoint('10.0.0.2', 1, { priority: 1 }),
    ];
    assert.deepEqual(canonicalSet([b, c, a, { ...a, name: 'again' }]), [c, a, b]);
  });

  it('differ where anything differs', () => {
    const one = endpoint('10.0.0.1', 1);
    assert.ok(sameSet([one], [{ ...one }]));
    for (const other of [{ weight: 2 }, { priority: 1 }, { tags: ['x'] }, { name: 'y' }, { port: 2 }]) {
      assert.ok(!sameSet([one], [{ ...one, ...other }]), JSON.stringify(other));
    }
  });
});

describe('Backoff', () => {
  it('grows to its limit, stays within its jitter, and begins again after a reset', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 0.999, noNaN: true }), (random) => {
        const backoff = new Backoff({ initialMs: 100, maxMs: 1000, random: () => random });
        const jitter = 1 + 0.2 * (2 * random - 1);
        const expected = [100, 160, 256, 409.6, 655.36, 1000, 1000].map((ms) => Math.round(ms * jitter));
        assert.deepEqual(
          expected.map(() => backoff.next()),
          expected,
        );
        backoff.reset();
        assert.equal(backoff.next(), expected[0]);
      }),
    );
  });
});

describe('PartStack', () => {
  const part = (name: string, log: string[], failure?: Error): Part => ({
    start: async () => void log.push(`start ${name}`),
    stop: async (deadlineMs) => {
      log.push(`stop ${name} ${deadlineMs}`);
      if (failure !== undefined) throw failure;
    },
  });

  it('stops in reverse, all of it, also where one fails, and says so', async () => {
    const log: string[] = [];
    const stack = new PartStack();
    await stack.begin(part('a', log));
    await stack.begin(part('b', log, new Error('b broke')));
    stack.defer(() => log.push('deferred'));
    await assert.rejects(stack.stop(7), /b broke/);
    assert.deepEqual(log, ['start a', 'start b', 'deferred', 'stop b 7', 'stop a 7']);
  });

  it('ends what is deferred with the same deadline', async () => {
    const log: string[] = [];
    const stack = new PartStack();
    const late = await stack.begin(part('proxy', log));
    await stack.begin(part('rules', log));
    stack.defer((deadlineMs) => late.stop(deadlineMs));
    await stack.stop(7);
    assert.deepEqual(log.slice(2), ['stop proxy 7', 'stop rules 7', 'stop proxy 7']);
  });

  it('does not keep a part that could not start', async () => {
    const log: string[] = [];
    const stack = new PartStack();
    const broken = { ...part('a', log), start: async () => Promise.reject(new Error('no')) };
    await assert.rejects(stack.begin(broken), /no/);
    await stack.stop(0);
    assert.deepEqual(log, []);
  });
});
