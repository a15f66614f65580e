import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runUntilStopped } from '../../../src/cli/run.ts';
import { silentLogger } from '../../../src/core/log.ts';
import type { Part } from '../../../src/core/part.ts';

/** A part that stops when it is told a deadline of 0, or when its work is done. */
class Draining implements Part {
  readonly deadlines: number[] = [];
  readonly done = Promise.withResolvers<void>();

  async start(): Promise<void> {}

  async stop(deadlineMs: number): Promise<void> {
    this.deadlines.push(deadlineMs);
    if (deadlineMs === 0) this.done.resolve();
    await this.done.promise;
  }
}

function signals() {
  const listeners: ((name: string) => void)[] = [];
  return {
    onSignal: (listener: (name: string) => void) => void listeners.push(listener),
    send: (name: string) => {
      for (const listener of listeners) listener(name);
    },
  };
}

describe('runUntilStopped', () => {
  it('drains at the first signal', async () => {
    const part = new Draining();
    const { onSignal, send } = signals();
    const begun = Promise.withResolvers<void>();
    const start = async (parts: { begin(part: Part): Promise<Part> }) => {
      await parts.begin(part);
      begun.resolve();
    };
    const run = runUntilStopped(start, { drainMs: 5000, logger: silentLogger, onSignal });
    await begun.promise;
    send('SIGTERM');
    part.done.resolve();
    await run;
    assert.deepEqual(part.deadlines, [5000]);
  });

  it('ends at once at the second', async () => {
    const part = new Draining();
    const { onSignal, send } = signals();
    const start = async (parts: { begin(part: Part): Promise<Part> }) => {
      await parts.begin(part);
      send('SIGTERM');
      send('SIGINT');
    };
    await runUntilStopped(start, { drainMs: 3_600_000, logger: silentLogger, onSignal });
    assert.ok(part.deadlines.includes(0));
  });

  it('stops what had started where the start fails', async () => {
    const part = new Draining();
    const { onSignal } = signals();
    const start = async (parts: { begin(part: Part): Promise<Part> }) => {
      await parts.begin(part);
      throw new Error('port taken');
    };
    await assert.rejects(
      runUntilStopped(start, { drainMs: 1, logger: silentLogger, onSignal }),
      /port taken/,
    );
    assert.deepEqual(part.deadlines, [0]);
  });
});
