import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { AppError } from '../../../src/core/errors.ts';
import {
  type BlockingQuery,
  defaultTimes,
  type Following,
  followIndex,
} from '../../../src/registry/blocking-query.ts';
import { ConsulClient, type KeyValue } from '../../../src/registry/consul.ts';
import { type ConsulReply, FakeConsul, keyValues } from '../../support/fake-consul.ts';
import { FakeSleep } from '../../support/fake-sleep.ts';
import { resourcesNow } from '../../support/resources.ts';
import { settle } from '../../support/updates.ts';

const outage = new AppError('ERR_RESOLVE_FAILED', 'an outage');

/** Answers (an index: a value that says so) or failures in order; then the following ends. */
async function run(
  script: readonly (number | AppError)[],
  rest: Partial<Following<string>> = {},
): Promise<{ asked: number[]; told: string[]; queries: BlockingQuery[]; pauses: number[] }> {
  const end = new AbortController();
  const queries: BlockingQuery[] = [];
  const told: string[] = [];
  const pauses: number[] = [];
  await followIndex<string>(
    {
      ask: async (query) => {
        const next = script[queries.length];
        queries.push(query);
        if (next === undefined) end.abort();
        if (typeof next !== 'number') throw next ?? outage;
        return { index: next, value: `at ${next}` };
      },
      onValue: (value) => told.push(value),
      onFailure: (error) => told.push(error.message),
      sleep: async (ms) => void pauses.push(ms),
      now: () => 0,
      random: () => 0.5,
      ...rest,
    },
    end.signal,
  );
  return { asked: queries.map(({ index }) => index), told, queries, pauses };
}

describe('followIndex', () => {
  it('asks at once first, then for what is newer than the last answer', async () => {
    const { asked, told } = await run([7, 9, 30]);
    assert.deepEqual(asked, [0, 7, 9, 30]);
    assert.deepEqual(told, ['at 7', 'at 9', 'at 30']);
  });

  it('takes the same index for no news', async () => {
    const { asked, told } = await run([7, 7, 7, 8]);
    assert.deepEqual(asked, [0, 7, 7, 7, 8]);
    assert.deepEqual(told, ['at 7', 'at 8']);
  });

  it('begins at 0 again where the index goes backwards, and tells both answers', async () => {
    const { asked, told } = await run([70, 3, 3, 4]);
    assert.deepEqual(asked, [0, 70, 0, 3, 4]);
    assert.deepEqual(told, ['at 70', 'at 3', 'at 3', 'at 4']);
  });

  it('never asks a blocking question at 0, which would not block', async () => {
    const { asked, told } = await run([0, 0, 5]);
    assert.deepEqual(asked, [0, 1, 0, 5]);
    assert.deepEqual(told, ['at 0', 'at 0', 'at 5']);
  });

  it('begins at 0 again after a failure, and tells the answer though its index is the same', async () => {
    const { asked, told } = await run([7, outage, 7, 7]);
    assert.deepEqual(asked, [0, 7, 0, 7, 7]);
    assert.deepEqual(told, ['at 7', 'an outage', 'at 7']);
  });

  it('waits longer after each failure, up to 30 s, and from the start again after a success', async () => {
    const failures = Array.from({ length: 14 }, () => outage);
    const { pauses } = await run([...failures, 7, outage]);
    assert.equal(pauses[0], 200);
    for (let nth = 1; nth < 14; nth++) assert.ok((pauses[nth] ?? 0) >= (pauses[nth - 1] ?? 0));
    assert.equal(pauses[13], 30_000);
    assert.equal(pauses[15], 200);
  });

  it('bounds each question: short where nothing holds it open, else the wait, its sixteenth and a margin', async () => {
    const { queries } = await run([7, outage, 7]);
    assert.deepEqual(
      queries.map(({ timeoutMs }) => timeoutMs),
      [10_000, 68_750, 10_000, 68_750],
    );
    assert.ok(queries.every(({ waitMs }) => waitMs === defaultTimes.waitMs));
  });

  it('leaves 100 ms and a dither between questions, of which the wait for the answer counts', async () => {
    const end = new AbortController();
    const tookMs = [0, 40, 120, 5000];
    const pauses: number[] = [];
    let clock = 0;
    await followIndex<string>(
      {
        ask: async ({ index }) => {
          clock += tookMs[index] ?? 0;
          if (index === tookMs.length) end.abort();
          return { index: index + 1, value: '' };
        },
        onValue: () => {},
        onFailure: (error) => assert.fail(error),
        sleep: async (ms) => {
          pauses.push(ms);
          clock += ms;
        },
        now: () => clock,
        random: () => 0.5,
      },
      end.signal,
    );
    assert.deepEqual(pauses, [110, 70]);
  });

  it('reports what a reader throws, and goes on', async () => {
    let isFirst = true;
    const { told } = await run([7, 7], {
      onValue: () => {
        if (isFirst) {
          isFirst = false;
          throw new TypeError('a fault of the reader');
        }
      },
    });
    assert.deepEqual(told, ['a blocking query failed: a fault of the reader']);
    assert.equal(isFirst, false);
  });

  it('asks at 0 or at the index of the last answer, whatever comes', async () => {
    const step = fc.oneof(fc.nat(20), fc.constant(outage));
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (script) => {
        const { asked } = await run(script);
        assert.equal(asked.length, script.length + 1);
        for (const [nth, index] of asked.entries()) {
          const last = script[nth - 1];
          assert.ok(index === 0 || index === Math.max(1, typeof last === 'number' ? last : -1));
          if (typeof last !== 'number') assert.equal(index, 0);
        }
      }),
    );
  });
});

/** Follows the keys at `foo` of a scripted server; the pauses between questions are the test's to end. */
async function follow(script: readonly ConsulReply[]) {
  const server = await FakeConsul.start((_asked, nth) => script[nth] ?? 'hang');
  const end = new AbortController();
  const client = new ConsulClient(server.address);
  const time = new FakeSleep();
  const told: string[] = [];
  const over = followIndex<readonly KeyValue[]>(
    {
      ask: (query, signal) => client.tree('foo', query, signal),
      onValue: (pairs) => told.push(pairs.map(({ value }) => value).join()),
      onFailure: ({ message }) => told.push(message),
      times: { waitMs: 1600, marginMs: 300, answerMs: 10_000 },
      sleep: time.sleep,
      now: () => 0,
    },
    end.signal,
  );
  return {
    server,
    told,
    /** Until the loop has had an answer or a failure and pauses; then on to the next question. */
    step: async () => (await time.wait([1, 60_000])).wake(),
    async [Symbol.asyncDispose]() {
      end.abort();
      await over;
      client.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

const at = (index: number, value: string): ConsulReply => ({ index, json: keyValues({ foo: value }) });

describe('followIndex through a client and a server', () => {
  it('keeps following through an index that goes back, refusals, silence and garbage', async () => {
    await using on = await follow([
      at(50, 'a'),
      at(50, 'a'),
      at(9, 'b'),
      at(9, 'b'),
      { status: 500, text: 'No cluster leader' },
      at(9, 'c'),
      'hang',
      at(10, 'd'),
      { index: 11, text: '[{"Key":' },
      { status: 404, text: '404 page not found' },
      'cut',
      at(12, 'e'),
    ]);
    for (let nth = 0; nth < 12; nth++) await on.step();
    await settle();
    assert.deepEqual(
      on.server.asked.slice(0, 12).map(({ query }) => query.get('index') ?? '0'),
      ['0', '50', '50', '0', '9', '0', '9', '0', '10', '0', '0', '0'],
    );
    const errors = on.told.filter((text) => text.length > 1);
    assert.deepEqual(
      on.told.filter((text) => text.length === 1),
      ['a', 'b', 'b', 'c', 'd', 'e'],
    );
    assert.equal(errors.length, 5);
    for (const [nth, pattern] of [
      /HTTP 500, No cluster leader; its servers have lost each other/,
      /no answer within 2000 ms; does the agent hang/,
      /the answer cannot be read/,
      /no X-Consul-Index; is that Consul\?/,
      /the connection was cut/,
    ].entries()) {
      assert.match(errors[nth] ?? '', pattern);
    }
  });

  it('leaves nothing open when it ends while a question is held open', async () => {
    const backToStart = await resourcesNow();
    {
      await using on = await follow([at(5, 'a'), 'hang']);
      await on.step();
      await settle();
    }
    await backToStart();
  });
});
