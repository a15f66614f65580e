import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Assembler } from '../../../src/bpf/assembler.ts';

/** The instructions as the kernel's own tools print them: eight bytes each. */
function hex(code: Assembler): string[] {
  return (code.bytes().toString('hex').match(/.{16}/g) ?? []).map((text) => text);
}

describe('the assembler', () => {
  // Beside each: the same instruction as linux/filter.h writes it, which is where the bytes were taken from.
  const cases: readonly [what: string, code: (code: Assembler) => Assembler, bytes: readonly string[]][] = [
    ['BPF_MOV64_IMM(BPF_REG_0, 1)', (code) => code.move('r0', 1), ['b700000001000000']],
    ['BPF_MOV64_IMM(BPF_REG_4, -1)', (code) => code.move('r4', -1), ['b7040000ffffffff']],
    ['BPF_MOV64_REG(BPF_REG_6, BPF_REG_1)', (code) => code.move('r6', 'r1'), ['bf16000000000000']],
    ['BPF_ALU64_IMM(BPF_ADD, BPF_REG_2, -16)', (code) => code.compute('r2', '+', -16), ['07020000f0ffffff']],
    [
      'BPF_ALU64_REG(BPF_MOD, BPF_REG_0, BPF_REG_7)',
      (code) => code.compute('r0', '%', 'r7'),
      ['9f70000000000000'],
    ],
    ['BPF_ALU64_IMM(BPF_LSH, BPF_REG_2, 32)', (code) => code.compute('r2', '<<', 32), ['6702000020000000']],
    [
      'BPF_LDX_MEM(BPF_W, BPF_REG_1, BPF_REG_6, 24)',
      (code) => code.load(4, 'r1', 'r6', 24),
      ['6161180000000000'],
    ],
    [
      'BPF_LDX_MEM(BPF_B, BPF_REG_1, BPF_REG_1, 32)',
      (code) => code.load(1, 'r1', 'r1', 32),
      ['7111200000000000'],
    ],
    [
      'BPF_STX_MEM(BPF_DW, BPF_REG_10, BPF_REG_0, -16)',
      (code) => code.store(8, 'r10', -16, 'r0'),
      ['7b0af0ff00000000'],
    ],
    ['BPF_ST_MEM(BPF_W, BPF_REG_10, -8, 7)', (code) => code.store(4, 'r10', -8, 7), ['620af8ff07000000']],
    [
      'BPF_ATOMIC_OP(BPF_DW, BPF_ADD, BPF_REG_9, BPF_REG_1, 24)',
      (code) => code.atomicAdd(8, 'r9', 24, 'r1'),
      ['db19180000000000'],
    ],
    [
      'BPF_ATOMIC_OP(BPF_W, BPF_ADD | BPF_FETCH, BPF_REG_8, BPF_REG_0, 24)',
      (code) => code.atomicFetchAdd(4, 'r8', 24, 'r0'),
      ['c308180001000000'],
    ],
    [
      'BPF_LD_MAP_FD(BPF_REG_1, 7)',
      (code) => code.loadMap('r1', 7),
      ['1811000007000000', '0000000000000000'],
    ],
    ['BPF_EMIT_CALL(BPF_FUNC_map_lookup_elem)', (code) => code.call(1), ['8500000001000000']],
    ['BPF_EXIT_INSN()', (code) => code.exit(), ['9500000000000000']],
  ];
  for (const [what, write, bytes] of cases) {
    it(`writes ${what}`, () => assert.deepEqual(hex(write(new Assembler())), bytes));
  }

  it('counts jumps from the instruction after them, a map counting twice', () => {
    const code = new Assembler()
      .jumpIf('r0', '==', 0, 'out')
      .loadMap('r1', 3)
      .jumpIf('r1', '!=', 'r2', 'out')
      .label('back')
      .jump('back')
      .label('out')
      .exit();
    assert.deepEqual(hex(code), [
      '1500040000000000', // + 4
      '1811000003000000',
      '0000000000000000',
      '5d21010000000000', // + 1
      '0500ffff00000000', // - 1
      '9500000000000000',
    ]);
  });

  it('refuses what cannot be written', () => {
    assert.throws(() => new Assembler().jump('nowhere').bytes(), RangeError);
    assert.throws(() => new Assembler().label('twice').label('twice'), RangeError);
    assert.throws(() => new Assembler().load(4, 'r0', 'r1', 40_000), RangeError);
    assert.throws(() => new Assembler().move('r0', 2 ** 32), RangeError);
  });
});
