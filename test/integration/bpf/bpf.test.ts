/** bpf(2) on the running kernel. */
import assert from 'node:assert/strict';
import { closeSync, readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { Assembler } from '../../../src/bpf/assembler.ts';
import { loadBpf, mapType } from '../../../src/bpf/bpf.ts';
import { AppError } from '../../../src/core/errors.ts';

const bpf = await loadBpf();

function refusal(run: () => unknown): AppError {
  try {
    run();
  } catch (thrown) {
    assert.ok(thrown instanceof AppError);
    return thrown;
  }
  return assert.fail('it was not refused');
}

describe('maps', () => {
  it('hold what is set, until it is removed', () => {
    const map = bpf.createMap({ name: 'test', type: mapType.hash, keySize: 4, valueSize: 8, maxEntries: 2 });
    try {
      const [key, other, third] = [Buffer.from('one.'), Buffer.from('two.'), Buffer.from('3...')];
      const value = Buffer.alloc(8);
      assert.equal(bpf.lookup(map, key, value), false);
      bpf.update(map, key, Buffer.from('12345678'));
      bpf.update(map, key, Buffer.from('87654321'));
      assert.equal(bpf.lookup(map, key, value), true);
      assert.equal(value.toString(), '87654321');
      bpf.update(map, other, value);
      assert.equal(refusal(() => bpf.update(map, third, value)).errno, 'E2BIG');
      bpf.remove(map, key);
      bpf.remove(map, key);
      assert.equal(bpf.lookup(map, key, value), false);
    } finally {
      closeSync(map);
    }
    assert.equal(refusal(() => bpf.lookup(map, Buffer.alloc(4), Buffer.alloc(8))).errno, 'EBADF');
  });
});

describe('programs', () => {
  it('load where the verifier takes them', () => {
    closeSync(bpf.loadProgram('test', 'connect4', new Assembler().move('r0', 1).exit().bytes()));
  });

  it('are refused with the reason in one line, and the whole log behind it', () => {
    const before = readdirSync('/proc/self/fd').length;
    const cases: readonly [code: Assembler, message: RegExp][] = [
      [new Assembler().exit(), /^bpf\(2\), program test: EACCES: R0 !read_ok$/],
      [new Assembler().call(9999).exit(), /: EINVAL: (invalid|unknown) func/],
      [
        new Assembler().move('r0', 1).load(4, 'r0', 'r1', 4000).exit(),
        /: EACCES: invalid bpf_context access off=4000 size=4$/,
      ],
    ];
    for (const [code, message] of cases) {
      const error = refusal(() => bpf.loadProgram('test', 'connect4', code.bytes()));
      assert.match(error.message, message);
      assert.ok(String(error.cause).includes(error.message.split(': ').at(-1) ?? '-'));
    }
    assert.equal(readdirSync('/proc/self/fd').length, before);
  });
});
