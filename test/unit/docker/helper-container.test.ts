import assert from 'node:assert/strict';
import { PassThrough, type Readable } from 'node:stream';
import { describe, it } from 'node:test';
import type { HelperEngine } from '../../../src/docker/engine.ts';
import { helperLabel, removeHelpers, runHelper } from '../../../src/docker/helper-container.ts';
import { readFrames } from '../../../src/docker/stream-frames.ts';

function frame(stream: 1 | 2, text: string): Buffer {
  const head = Buffer.from([stream, 0, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([head, Buffer.from(text)]);
}

/** An engine of which every call can be made to fail. */
class FakeEngine implements HelperEngine {
  readonly calls: string[] = [];
  readonly stream = new PassThrough();
  failing = '';
  listed: unknown = [];
  body: object = {};
  onStart = () => {};
  readonly #call = (name: string) => {
    this.calls.push(name);
    if (name.startsWith(`${this.failing} `)) throw new Error(`${this.failing} fails`);
  };
  async create(name: string, body: object): Promise<string> {
    this.body = body;
    this.#call(`create ${name}`);
    return 'id-1';
  }
  async attach(id: string): Promise<Readable> {
    this.#call(`attach ${id}`);
    return this.stream;
  }
  async start(id: string): Promise<void> {
    this.#call(`start ${id}`);
    this.onStart();
  }
  async remove(id: string): Promise<void> {
    this.#call(`remove ${id}`);
  }
  async listLabelled(): Promise<unknown> {
    return this.listed;
  }
}

const spec = {
  name: 'helper-1',
  owner: 'self',
  image: 'sha256:nuncio',
  command: ['node', 'main.js', 'task'],
  hostConfig: { NetworkMode: 'container:web' },
};
const never = new AbortController().signal;

describe('frames of a container’s output', () => {
  it('are told apart by stream, and a cut one counts as far as it goes', () => {
    const bytes = Buffer.concat([frame(1, 'one '), frame(2, 'bad'), frame(1, 'two')]);
    assert.deepEqual(readFrames(bytes), { stdout: 'one two', stderr: 'bad' });
    assert.deepEqual(readFrames(bytes.subarray(0, -1)), { stdout: 'one tw', stderr: 'bad' });
    assert.deepEqual(readFrames(bytes.subarray(0, 5)), { stdout: '', stderr: '' });
  });
});

describe('a helper', () => {
  it('is attached to before it starts, hands out what it says, and is left to the engine to remove', async () => {
    const engine = new FakeEngine();
    engine.onStart = () => engine.stream.end(frame(1, 'done\n'));
    assert.deepEqual(await runHelper(engine, spec, never), { stdout: 'done\n', stderr: '' });
    assert.deepEqual(engine.calls, ['create helper-1', 'attach id-1', 'start id-1']);
    const { HostConfig, Labels, Entrypoint, Cmd } = engine.body as Record<string, unknown>;
    assert.deepEqual([Labels, Entrypoint, Cmd], [{ [helperLabel]: 'self' }, ['node'], ['main.js', 'task']]);
    const expected = { AutoRemove: true, LogConfig: { Type: 'none' }, NetworkMode: 'container:web' };
    assert.deepEqual(HostConfig, expected);
    assert.ok(engine.stream.destroyed);
  });

  for (const failing of ['create', 'attach', 'start']) {
    it(`is removed by its name where the engine fails to ${failing} it`, async () => {
      const engine = new FakeEngine();
      engine.failing = failing;
      await assert.rejects(runHelper(engine, spec, never), { message: `${failing} fails` });
      assert.equal(engine.calls.at(-1), 'remove helper-1');
      if (failing === 'start') assert.ok(engine.stream.destroyed);
    });
  }

  it('is removed where it is cut off, or has no end of words', async () => {
    const engine = new FakeEngine();
    const stop = new AbortController();
    engine.onStart = () => setImmediate(() => stop.abort());
    await assert.rejects(runHelper(engine, spec, stop.signal), { code: 'ERR_DOCKER', message: /given up/ });
    assert.equal(engine.calls.at(-1), 'remove helper-1');

    const talker = new FakeEngine();
    talker.onStart = () => void talker.stream.write(Buffer.alloc(300_000));
    await assert.rejects(runHelper(talker, spec, never), { message: /more than 262144 bytes of output/ });
    assert.equal(talker.calls.at(-1), 'remove helper-1');
  });

  it('of an earlier run, or of nobody alive, is removed; one of another ambassador at work stays', async () => {
    const engine = new FakeEngine();
    const item = (Id: string, owner: string) => ({ Id, Labels: { [helperLabel]: owner } });
    engine.listed = [item('mine', 'self'), item('hers', 'other'), item('orphan', 'gone'), { Id: 'odd' }];
    assert.equal(await removeHelpers(engine, 'self', (owner) => owner === 'other', never), 2);
    assert.deepEqual(engine.calls, ['remove mine', 'remove orphan']);
  });
});
