import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { storageTypeIds, storageTypes } from '../../../src/bpf/type-info.ts';
import { refusalReason } from '../../../src/bpf/verifier-log.ts';

describe('storageTypes', () => {
  it('describes an int, a word and an array of words', () => {
    const bytes = storageTypes(40);
    const words = Array.from({ length: 20 }, (_, index) => bytes.readUInt32LE(4 * index).toString(16));
    assert.deepEqual(words.slice(0, 6), ['1eb9f', '18', '0', '38', '38', 'a']);
    assert.deepEqual(words.slice(6, 10), ['1', '1000000', '4', '1000020'], 'int: signed, 32 bits');
    assert.deepEqual(words.slice(10, 14), ['5', '1000000', '4', '20'], 'word: 32 bits');
    assert.deepEqual(words.slice(14, 20), ['0', '3000000', '0', '2', '2', 'a'], 'ten words');
    assert.equal(bytes.toString('latin1', 24 + 56), '\0int\0word\0');
    assert.deepEqual(storageTypeIds, { key: 1, value: 3 });
  });
});

describe('refusalReason', () => {
  it('is the last line that is neither an instruction, nor a state, nor a statistic', () => {
    const log = `func#0 @0
0: R1=ctx() R10=fp0
0: (bf) r6 = r1                       ; R1=ctx() R6_w=ctx()
1: (85) call unknown#122
unknown func unknown#122
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
`;
    assert.equal(refusalReason(log), 'unknown func unknown#122');
  });

  it('is short, and nothing for an empty log', () => {
    assert.equal(refusalReason(`invalid ${'x'.repeat(1000)}`)?.length, 200);
    assert.equal(refusalReason(''), undefined);
    assert.equal(refusalReason('processed 0 insns (limit 1000000)\n'), undefined);
  });
});
