/**
 * An assembler for eBPF: methods that each append one instruction, labels for jumps, bytes in the end.
 *
 *     const code = new Assembler().move('r0', 1).exit().bytes();
 *
 * The whole of it is what this project's programs need; README.md has the instruction's picture.
 * Source: Linux Documentation/bpf/standardization/instruction-set.rst; uapi/linux/bpf_common.h and bpf.h
 */

/** r0: result. r1 to r5: arguments, lost at a call. r6 to r9: kept. r10: the frame's end, read only; 512 bytes below it. */
export type Register = 'r0' | 'r1' | 'r2' | 'r3' | 'r4' | 'r5' | 'r6' | 'r7' | 'r8' | 'r9' | 'r10';

/** Bytes that a load or a store moves. */
export type Width = 1 | 2 | 4 | 8;

export type Condition = '==' | '!=' | '>' | '>=' | '<' | '<=' | '&';

export type Operation = '+' | '-' | '*' | '/' | '|' | '&' | '<<' | '>>' | '%' | '^';

/** Bytes of one instruction; a 64-bit constant takes two. */
const instructionSize = 8;

const widths: Readonly<Record<Width, number>> = { 1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18 };

/** Classes: BPF_LD, BPF_LDX, BPF_ST, BPF_STX, BPF_ALU, BPF_JMP, BPF_JMP32, BPF_ALU64. */
const classes = { ld: 0x00, ldx: 0x01, st: 0x02, stx: 0x03, jmp: 0x05, alu64: 0x07 } as const;
const modes = { imm: 0x00, mem: 0x60, atomic: 0xc0 } as const;
/** BPF_X: the second operand is a register, not the instruction's constant. */
const fromRegister = 0x08;

const operations: Readonly<Record<Operation, number>> = {
  '+': 0x00,
  '-': 0x10,
  '*': 0x20,
  '/': 0x30,
  '|': 0x40,
  '&': 0x50,
  '<<': 0x60,
  '>>': 0x70,
  '%': 0x90,
  '^': 0xa0,
};
const moveOperation = 0xb0;

const conditions: Readonly<Record<Condition, number>> = {
  '==': 0x10,
  '>': 0x20,
  '>=': 0x30,
  '&': 0x40,
  '!=': 0x50,
  '<': 0xa0,
  '<=': 0xb0,
};
const jumpAlways = 0x00;
const callOperation = 0x80;
const exitOperation = 0x90;

/** BPF_PSEUDO_MAP_FD: the constant is a map's descriptor, which the kernel turns into the map's address. */
const pseudoMapFd = 1;
/** BPF_FETCH: an atomic operation hands out the value from before. */
const atomicFetch = 0x01;

interface Jump {
  /** Of the instruction. */
  readonly index: number;
  readonly label: string;
}

export class Assembler {
  readonly #instructions: Buffer[] = [];
  readonly #labels = new Map<string, number>();
  readonly #jumps: Jump[] = [];

  /** target = source; a number is a signed 32-bit constant that is extended to 64 bits. */
  move(target: Register, source: Register | number): this {
    return this.#operate(moveOperation, target, source);
  }

  /** target = target OPERATION source, in 64 bits, unsigned. */
  compute(target: Register, operation: Operation, source: Register | number): this {
    return this.#operate(operations[operation], target, source);
  }

  /** target = the bytes at base + offset, extended with zeros. */
  load(width: Width, target: Register, base: Register, offset: number): this {
    return this.#append(classes.ldx | modes.mem | widths[width], target, base, offset, 0);
  }

  /** The bytes at base + offset = source; a number is a signed 32-bit constant. */
  store(width: Width, base: Register, offset: number, source: Register | number): this {
    return typeof source === 'number'
      ? this.#append(classes.st | modes.mem | widths[width], base, 'r0', offset, source)
      : this.#append(classes.stx | modes.mem | widths[width], base, source, offset, 0);
  }

  /** Adds to the number at base + offset as one step, whoever else does the same. */
  atomicAdd(width: 4 | 8, base: Register, offset: number, source: Register): this {
    return this.#append(classes.stx | modes.atomic | widths[width], base, source, offset, operations['+']);
  }

  /** Like `atomicAdd`; the source then holds what the number was before. Linux 5.12. */
  atomicFetchAdd(width: 4 | 8, base: Register, offset: number, source: Register): this {
    const operation = operations['+'] | atomicFetch;
    return this.#append(classes.stx | modes.atomic | widths[width], base, source, offset, operation);
  }

  /** target = a map, for a helper's argument. @param fd descriptor of the map when the program is loaded */
  loadMap(target: Register, fd: number): this {
    this.#append(classes.ld | modes.imm | widths[8], target, pseudoMapFd, 0, fd);
    return this.#append(0, 'r0', 'r0', 0, 0);
  }

  /** r0 = helper(r1, r2, r3, r4, r5). @param helper its number in uapi/linux/bpf.h, enum bpf_func_id */
  call(helper: number): this {
    return this.#append(classes.jmp | callOperation, 'r0', 'r0', 0, helper);
  }

  /** Goes on at the label where the comparison holds (unsigned, 64 bits). */
  jumpIf(left: Register, condition: Condition, right: Register | number, label: string): this {
    this.#jumps.push({ index: this.#instructions.length, label });
    const code = classes.jmp | conditions[condition];
    return typeof right === 'number'
      ? this.#append(code, left, 'r0', 0, right)
      : this.#append(code | fromRegister, left, right, 0, 0);
  }

  jump(label: string): this {
    this.#jumps.push({ index: this.#instructions.length, label });
    return this.#append(classes.jmp | jumpAlways, 'r0', 'r0', 0, 0);
  }

  /** Names the place of the next instruction. @throws RangeError for a name that is taken */
  label(name: string): this {
    if (this.#labels.has(name)) throw new RangeError(`label "${name}" stands twice`);
    this.#labels.set(name, this.#instructions.length);
    return this;
  }

  exit(): this {
    return this.#append(classes.jmp | exitOperation, 'r0', 'r0', 0, 0);
  }

  /**
   * The program, 8 bytes an instruction, little-endian.
   *
   * @throws RangeError for a jump to a label that does not stand
   */
  bytes(): Buffer {
    for (const { index, label } of this.#jumps) {
      const target = this.#labels.get(label);
      if (target === undefined) throw new RangeError(`no label "${label}"`);
      // Counted from the instruction after the jump.
      this.#instructions[index]?.writeInt16LE(target - index - 1, 2);
    }
    return Buffer.concat(this.#instructions);
  }

  #operate(operation: number, target: Register, source: Register | number): this {
    return typeof source === 'number'
      ? this.#append(classes.alu64 | operation, target, 'r0', 0, source)
      : this.#append(classes.alu64 | operation | fromRegister, target, source, 0, 0);
  }

  /** @throws RangeError for an offset beyond 16 bits or a constant beyond 32 */
  #append(code: number, target: Register, source: Register | number, offset: number, constant: number): this {
    const instruction = Buffer.alloc(instructionSize);
    const sourceBits = typeof source === 'number' ? source : registerNumber(source);
    instruction.writeUInt8(code, 0);
    instruction.writeUInt8((sourceBits << 4) | registerNumber(target), 1);
    instruction.writeInt16LE(offset, 2);
    instruction.writeInt32LE(constant, 4);
    this.#instructions.push(instruction);
    return this;
  }
}

function registerNumber(register: Register): number {
  return Number(register.slice(1));
}
