/**
 * The smallest type information (BTF) that the kernel wants for a map of socket storage: a key that is an int of 32 bits,
 * and a value that is an array of words.
 *
 * Source: Linux Documentation/bpf/btf.rst; net/core/bpf_sk_storage.c asks for both types, kernel/bpf/bpf_local_storage.c
 *         for the key's
 */

/** Numbers of the types that `storageTypes` describes, in the order in which they stand. */
export const storageTypeIds = { key: 1, value: 3 } as const;

const magic = 0xeb9f;
const headerSize = 24;
/** BTF_KIND_INT, BTF_KIND_ARRAY, in the upper bits of a type's second word. */
const kindInt = 1 << 24;
const kindArray = 3 << 24;
/** BTF_INT_SIGNED, in the upper bits of an int's own word; its size in bits is the low byte. */
const signed = 1 << 24;

/** @param valueSize bytes of the map's value, a multiple of 4 */
export function storageTypes(valueSize: number): Buffer {
  const names = Buffer.from('\0int\0word\0', 'latin1');
  const [intName, wordName] = [names.indexOf('int'), names.indexOf('word')];
  const types = [
    ...[intName, kindInt, 4, signed | 32],
    ...[wordName, kindInt, 4, 32],
    // Of words, counted by words.
    ...[0, kindArray, 0, 2, 2, valueSize / 4],
  ];
  const typesSize = 4 * types.length;
  const bytes = Buffer.alloc(headerSize + typesSize + names.length);
  bytes.writeUInt16LE(magic, 0);
  bytes.writeUInt8(1, 2);
  for (const [index, word] of [headerSize, 0, typesSize, typesSize, names.length].entries()) {
    bytes.writeUInt32LE(word, 4 + 4 * index);
  }
  for (const [index, word] of types.entries()) bytes.writeUInt32LE(word >>> 0, headerSize + 4 * index);
  names.copy(bytes, headerSize + typesSize);
  return bytes;
}
