/**
 * bpf(2): maps, programs and links, by descriptors. No policy here.
 *
 *     const bpf = await loadBpf();
 *     const map = bpf.createMap({ name: 'routes', type: mapType.hash, keySize: 16, valueSize: 8, maxEntries: 100 });
 *     bpf.update(map, key, value);
 *     closeSync(map);
 *
 * A descriptor that comes back is the caller's to close. Numbers: uapi/linux/bpf.h, enum bpf_cmd and union bpf_attr.
 */
import { constants } from 'node:os';
import { AppError } from '../core/errors.ts';
import { errnoName } from '../sys/libc.ts';
import { loadLibrary } from '../sys/library.ts';
import { refusalReason } from './verifier-log.ts';

/** enum bpf_map_type */
export const mapType = { hash: 1, array: 2, sockets: 15, socketStorage: 24 } as const;

/** Where a program can be hooked in: enum bpf_prog_type, enum bpf_attach_type. */
const hooks = {
  connect4: { program: 18, attach: 10 },
  connect6: { program: 18, attach: 11 },
  getpeername4: { program: 18, attach: 29 },
  getpeername6: { program: 18, attach: 30 },
  /** Which listening socket an arriving connection goes to. Linux 5.9. */
  socketLookup: { program: 30, attach: 36 },
} as const;
export type Hook = keyof typeof hooks;

/** BPF_F_NO_PREALLOC: a value gets its memory when it is set. */
export const noPreallocation = 1;

export interface MapSpec {
  /** 15 characters at most. */
  readonly name: string;
  readonly type: number;
  /** Bytes. */
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags?: number;
  /** Type information: descriptor, and the numbers of the key's and the value's type. */
  readonly types?: { readonly fd: number; readonly key: number; readonly value: number };
}

export interface Bpf {
  /** @throws AppError ERR_SYSCALL */
  createMap(spec: MapSpec): number;
  /** @throws AppError ERR_SYSCALL */
  loadTypes(types: Buffer): number;
  /**
   * Loads a program for a hook.
   *
   * @param code as `Assembler.bytes` makes it
   * @throws AppError ERR_SYSCALL with the verifier's reason; its whole log is the cause
   */
  loadProgram(name: string, hook: Hook, code: Buffer): number;
  /**
   * Attaches a program until the descriptor is closed, also by the end of the process.
   *
   * @param target descriptor of what it is attached to: a cgroup's directory; for `socketLookup`, a network namespace
   * @throws AppError ERR_SYSCALL; EPERM also where another program holds the hook for itself alone
   */
  link(program: number, target: number, hook: Hook): number;
  /** Sets a value, whatever was there. @throws AppError ERR_SYSCALL; E2BIG where the map is full */
  update(map: number, key: Buffer, value: Buffer): void;
  /** @returns false where the map has no such key. @throws AppError ERR_SYSCALL */
  lookup(map: number, key: Buffer, value: Buffer): boolean;
  /** Removes a key; none is no error. @throws AppError ERR_SYSCALL */
  remove(map: number, key: Buffer): void;
}

/** enum bpf_cmd */
const command = {
  createMap: 0,
  lookup: 1,
  update: 2,
  remove: 3,
  loadProgram: 5,
  loadTypes: 18,
  createLink: 28,
} as const;

/** The number of bpf(2), which each architecture gives for itself. Little-endian ones only: the programs' bytes are. */
const syscallNumbers: Readonly<Record<string, number>> = { x64: 321, arm64: 280 };

/** Bytes of union bpf_attr that are handed over; the kernel takes what it does not know for zeros. */
const attributeSize = 72;
/** Bytes; the log of a refused program ends with the reason, and is cut at its beginning where it is longer. */
const logSize = 1 << 20;

const consequence = 'the kernel path and steering need it; the proxy does without';

/** @throws AppError ERR_CANNOT_START where libc cannot be called on this platform */
export async function loadBpf(): Promise<Bpf> {
  const number = syscallNumbers[process.arch];
  if (number === undefined) {
    throw new AppError('ERR_CANNOT_START', `bpf(2) is not known on ${process.arch}; ${consequence}`);
  }
  const { koffi, library } = await loadLibrary(consequence);
  const syscall = library.func(
    'long syscall(long number, int command, _Inout_ uint8_t *attributes, uint32_t size)',
  );
  const call = (name: keyof typeof command, attributes: Buffer): number =>
    Number(syscall(number, command[name], attributes, attributes.length));
  /** Where a buffer's bytes are; the buffer has to be kept until the call has returned, as a local variable is. */
  const at = (bytes: Buffer): bigint => koffi.address(bytes);
  const failure = (what: string, cause?: string) => {
    const errno = errnoName(koffi.errno());
    return callFailed(what, errno, cause);
  };
  const element = Buffer.alloc(32);
  const elementCall = (name: 'lookup' | 'update' | 'remove', map: number, key: Buffer, value?: Buffer) => {
    element.writeUInt32LE(map, 0);
    element.writeBigUInt64LE(at(key), 8);
    element.writeBigUInt64LE(value === undefined ? 0n : at(value), 16);
    return call(name, element);
  };

  return {
    createMap(spec) {
      const attributes = Buffer.alloc(attributeSize);
      const { type, keySize, valueSize, maxEntries, flags = 0, types } = spec;
      for (const [index, word] of [type, keySize, valueSize, maxEntries, flags].entries()) {
        attributes.writeUInt32LE(word, 4 * index);
      }
      writeName(attributes, 28, spec.name);
      if (types !== undefined) {
        for (const [index, word] of [types.fd, types.key, types.value].entries()) {
          attributes.writeUInt32LE(word, 48 + 4 * index);
        }
      }
      const fd = call('createMap', attributes);
      if (fd < 0) throw failure(`map ${spec.name}`);
      return fd;
    },

    loadTypes(types) {
      const attributes = Buffer.alloc(28);
      attributes.writeBigUInt64LE(at(types), 0);
      attributes.writeUInt32LE(types.length, 16);
      const fd = call('loadTypes', attributes);
      if (fd < 0) throw failure('type information');
      return fd;
    },

    loadProgram(name, hook, code) {
      const attributes = Buffer.alloc(attributeSize);
      const license = Buffer.alloc(1);
      attributes.writeUInt32LE(hooks[hook].program, 0);
      attributes.writeUInt32LE(code.length / 8, 4);
      attributes.writeBigUInt64LE(at(code), 8);
      attributes.writeBigUInt64LE(at(license), 16);
      writeName(attributes, 48, name);
      attributes.writeUInt32LE(hooks[hook].attach, 68);
      const fd = call('loadProgram', attributes);
      if (fd >= 0) return fd;
      // Once more, for the reason: a log is work that a program which loads does not need.
      const refused = koffi.errno();
      const log = Buffer.alloc(logSize);
      attributes.writeUInt32LE(1, 24);
      attributes.writeUInt32LE(log.length, 28);
      attributes.writeBigUInt64LE(at(log), 32);
      const second = call('loadProgram', attributes);
      if (second >= 0) return second;
      const text = log.toString('latin1', 0, log.indexOf(0));
      throw callFailed(`program ${name}`, errnoName(refused), text);
    },

    link(program, target, hook) {
      const attributes = Buffer.alloc(16);
      for (const [index, word] of [program, target, hooks[hook].attach, 0].entries()) {
        attributes.writeUInt32LE(word, 4 * index);
      }
      const fd = call('createLink', attributes);
      if (fd < 0) throw failure(`attaching ${hook}`);
      return fd;
    },

    update(map, key, value) {
      if (elementCall('update', map, key, value) < 0) throw failure('setting a value in a map');
    },

    lookup(map, key, value) {
      if (elementCall('lookup', map, key, value) === 0) return true;
      if (koffi.errno() === constants.errno.ENOENT) return false;
      throw failure('reading a map');
    },

    remove(map, key) {
      if (elementCall('remove', map, key) < 0 && koffi.errno() !== constants.errno.ENOENT) {
        throw failure('removing a key from a map');
      }
    },
  };
}

/** @param log the verifier's */
function callFailed(what: string, errno: string, log?: string): AppError {
  const reason = log === undefined ? undefined : refusalReason(log);
  const text = `bpf(2), ${what}: ${errno}${reason === undefined ? '' : `: ${reason}`}`;
  const details = { errno, syscall: 'bpf' };
  return new AppError('ERR_SYSCALL', text, log === undefined ? details : { ...details, cause: log });
}

/** BPF_OBJ_NAME_LEN: 16 bytes, the last one zero. */
function writeName(attributes: Buffer, offset: number, name: string): void {
  attributes.write(name.slice(0, 15), offset, 'latin1');
}
