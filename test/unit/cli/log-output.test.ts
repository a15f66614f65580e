/** Cause: Node keeps in memory what a pipe does not take, and nobody reads the pipe while the Docker daemon is away. */
import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { describe, it } from 'node:test';
import { LogOutput } from '../../../src/cli/log-output.ts';

/** A pipe with a reader that stands still until it is told to go on. */
class Pipe extends Writable {
  readonly lines: string[] = [];
  #resume: (() => void) | undefined;
  isRead = true;

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.lines.push(chunk.toString());
    if (this.isRead) done();
    else this.#resume = done;
  }

  readOn(): void {
    this.isRead = true;
    this.#resume?.();
  }
}

describe('LogOutput', () => {
  const line = `${'x'.repeat(1023)}\n`;

  it('passes lines on, in one write what comes in one go', async () => {
    const pipe = new Pipe();
    const output = new LogOutput(pipe, () => assert.fail('none is lost'));
    for (const text of ['one\n', 'two\n']) output.write(text);
    await Promise.resolve();
    output.write('three\n');
    await Promise.resolve();
    assert.deepEqual(pipe.lines, ['one\ntwo\n', 'three\n']);
  });

  it('holds a bounded amount for a reader that stands still, then says how many lines are lost', async () => {
    const pipe = new Pipe();
    pipe.isRead = false;
    const lost: number[] = [];
    const output = new LogOutput(pipe, (lines) => lost.push(lines));
    for (let i = 0; i < 10_000; i++) output.write(line);
    await Promise.resolve();
    assert.ok(pipe.writableLength < 5 * 1024 * 1024, String(pipe.writableLength));
    assert.ok(pipe.writableLength > 3 * 1024 * 1024, String(pipe.writableLength));
    assert.deepEqual(lost, []);

    const held = pipe.writableLength / line.length;
    pipe.readOn();
    output.write('last\n');
    await Promise.resolve();
    assert.deepEqual(lost, [10_000 - held]);
    assert.equal(pipe.lines.at(-1), 'last\n');
    output.write('later\n');
    assert.equal(lost.length, 1);
  });

  it('counts every line of many that are lost in one go', async () => {
    const pipe = new Pipe();
    pipe.isRead = false;
    const lost: number[] = [];
    const output = new LogOutput(pipe, (lines) => lost.push(lines));
    output.write(line.repeat(4097));
    await Promise.resolve();
    output.write('one\ntwo\nthree\n');
    pipe.readOn();
    output.write('last\n');
    await Promise.resolve();
    assert.deepEqual(lost, [3]);
  });
});
