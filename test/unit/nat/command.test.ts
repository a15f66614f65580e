import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { commandRunner } from '../../../src/nat/command.ts';

const run = commandRunner();

describe('a command', () => {
  it('gets its input and gives its output', async () => {
    assert.deepEqual(await run('cat', [], { stdin: 'text' }), { kind: 'done', stdout: 'text' });
  });

  it('that does not exist is missing', async () => {
    const reason = 'no-such-program: not installed';
    assert.deepEqual(await run('no-such-program', ['-x'], { stdin: 'text' }), { kind: 'missing', reason });
  });

  it('that fails says what it wrote, in one line, without pointers and warnings', async () => {
    const script = 'printf "# Warning: legacy\\nError: no\\nin here\\n   ^^^\\nhint\\n" >&2; exit 3';
    assert.deepEqual(await run('sh', ['-c', script]), { kind: 'failed', reason: 'sh: Error: no / in here' });
    assert.deepEqual(await run('sh', ['-c', 'exit 3']), { kind: 'failed', reason: 'sh: exit code 3' });
  });

  /** Cause: spawn gives back a child without streams where it is out of files, and reading them threw. */
  it('that cannot be started for want of files has failed, and says so', async () => {
    const script = `
      const { openSync, closeSync } = await import('node:fs');
      const { commandRunner } = await import(process.argv[1]);
      const run = commandRunner();
      const files = [];
      try { for (;;) files.push(openSync('/dev/null')); } catch {}
      const outcome = await run('true', []);
      for (const file of files) closeSync(file);
      console.log(JSON.stringify([outcome, await run('true', [])]));`;
    const module = new URL('../../../src/nat/command.ts', import.meta.url).href;
    const argv = [
      '-c',
      'ulimit -n 64; exec "$@"',
      'sh',
      process.execPath,
      '--input-type=module',
      '-e',
      script,
      module,
    ];
    const outcome = await run('sh', argv);
    assert.deepEqual(outcome.kind === 'done' ? JSON.parse(outcome.stdout) : outcome, [
      { kind: 'failed', reason: 'true: spawn true EMFILE' },
      { kind: 'done', stdout: '' },
    ]);
  });

  it('that does not read its input is judged by its exit code', async () => {
    assert.deepEqual(await run('true', [], { stdin: 'x'.repeat(1 << 20) }), { kind: 'done', stdout: '' });
  });

  it('is killed when its time is over, even where its own child holds the pipes', async () => {
    const outcome = await commandRunner(50)('sh', ['-c', 'sleep 3 & wait']);
    assert.deepEqual(outcome, { kind: 'failed', reason: 'sh: no answer within 0.05 s' });
  });

  it('is killed on abort, before it begins too', async () => {
    const stop = new AbortController();
    const pending = run('sleep', ['30'], { signal: stop.signal });
    stop.abort();
    assert.deepEqual(await pending, { kind: 'failed', reason: 'sleep: cut off' });
    assert.equal((await run('sleep', ['30'], { signal: stop.signal })).kind, 'failed');
  });

  it('is killed when it writes without end', async () => {
    const outcome = await run('yes', []);
    assert.match(outcome.kind === 'failed' ? outcome.reason : '', /yes: more than \d+ bytes of output/);
  });
});
