import { Packet } from 'dns2';

const { A, AAAA, CNAME, SRV } = Packet.TYPE;
const read: ReadonlySet<number> = new Set([A, AAAA, CNAME, SRV]);
/** Reserved (RFC 6895 section 3.1): dns2 takes a record of this type as so many bytes and reads on behind them. */
const opaque = 0xffff;

/** Bytes of a question behind its name, and of a record up to its data's length (RFC 1035 sections 4.1.2, 4.1.3). */
const questionBytes = 4;
const recordBytes = 10;

/**
 * Where the records begin: behind the header and that many questions.
 * @throws RangeError where the message ends before
 */
export function recordsOffset(bytes: Buffer, questions: number): number {
  let at = 12;
  for (let question = 0; question < questions; question++) at = afterName(bytes, at) + questionBytes;
  return at;
}

/**
 * Makes records of every type that nobody reads opaque, in place. dns2 would decode an OPT record's options, which it
 * counts in bits: what follows is then read from the wrong byte, and a long one keeps it busy for a second.
 *
 * @returns the offset behind the records
 * @throws RangeError where the message ends before
 */
export function maskRecords(bytes: Buffer, offset: number, count: number): number {
  let at = offset;
  for (let record = 0; record < count; record++) {
    const fields = afterName(bytes, at);
    at = fields + recordBytes + bytes.readUInt16BE(fields + 8);
    if (at > bytes.length) throw new RangeError('a record that is cut off');
    if (!read.has(bytes.readUInt16BE(fields))) bytes.writeUInt16BE(opaque, fields);
  }
  return at;
}

/** A name ends with the root's empty label, or with a pointer of two bytes (RFC 1035 section 4.1.4). */
function afterName(bytes: Buffer, offset: number): number {
  let at = offset;
  for (;;) {
    const length = bytes.readUInt8(at);
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2;
    at += length + 1;
  }
}
