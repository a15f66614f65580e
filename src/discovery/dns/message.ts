import { Packet, type Question } from 'dns2';
import { AppError, messageOf } from '../../core/errors.ts';
import { fail, ok, type Result } from '../../core/result.ts';
import { maskRecords, recordsOffset } from './mask.ts';
import { type Found, findRecords, type RecordType } from './records.ts';

/** One question as it was sent: what an answer has to match. */
export interface Query {
  /** 0..65535 */
  readonly id: number;
  /** Without a trailing dot. */
  readonly name: string;
  readonly type: RecordType;
}

/** Bytes of an answer that the server may send in one datagram: what passes every path (DNS flag day 2020). */
const udpPayloadSize = 1232;

/** What a server's message says about a query. */
export type Answer<T extends RecordType> =
  | ({ readonly kind: 'records' } & Found<T>)
  /** Authoritative: there is no such name at all (NXDOMAIN), or it has no record of the type. */
  | { readonly kind: 'nonexistent'; readonly what: 'name' | 'type' }
  /** The rest did not fit: ask over TCP. */
  | { readonly kind: 'truncated' }
  /** The server cannot or will not say, or what it says cannot be read. */
  | { readonly kind: 'failed'; readonly why: string; readonly isFormatRefused?: boolean }
  /** Not the answer to this query: wait on. */
  | { readonly kind: 'unrelated' };

const headerLength = 12;
/** No sensible answer holds more; reading one costs time on the main thread. */
const maxRecords = 512;
/** Of an SRV answer's targets each may have several addresses, and Consul adds a TXT record to each. */
const maxRest = 2048;

/** RFC 1035 section 4.1.1 */
const noError = 0;
const noName = 3;
const complaints: Readonly<Record<number, string>> = {
  1: 'FORMERR',
  2: 'SERVFAIL',
  4: 'NOTIMP',
  5: 'REFUSED',
};

/** What a server answers that does not know OPT (RFC 6891 section 7): FORMERR, or NOTIMP. */
const formatRefusals: ReadonlySet<number> = new Set([1, 4]);

/**
 * The bytes that ask for a name, recursion desired.
 *
 * @param isExtended with an OPT record (RFC 6891) that permits more than the 512 bytes of old in a datagram
 * @returns ERR_RESOLVE_FAILED where the name does not fit into a question (a label over 63 bytes)
 */
export function encodeQuery({ id, name, type }: Query, isExtended = false): Result<Buffer> {
  try {
    const packet = new Packet();
    packet.header.id = id;
    packet.header.rd = 1;
    packet.questions.push(new Packet.Question(name, Packet.TYPE[type], Packet.CLASS.IN));
    if (isExtended) {
      const option = { name: '', type: Packet.TYPE.EDNS, class: udpPayloadSize, ttl: 0, rdata: [] };
      packet.additionals.push(new Packet.Resource(option));
    }
    return ok(packet.toBuffer());
  } catch (thrown) {
    return fail(
      new AppError('ERR_RESOLVE_FAILED', `"${name}" is no DNS name: ${messageOf(thrown)}`, { cause: thrown }),
    );
  }
}

/**
 * Reads what came from a server. Never throws, whatever the bytes are.
 * Aliases (CNAME) are followed within the message; the time to live is the least of the chain.
 *
 * Source: RFC 1035 sections 4.1 and 3.2.2; RFC 2308 section 2 (no name, no data)
 */
export function readAnswer<T extends RecordType>(bytes: Buffer, query: Query & { type: T }): Answer<T> {
  if (
    bytes.length < headerLength ||
    bytes.readUInt16BE(0) !== query.id ||
    (bytes.readUInt8(2) & 0x80) === 0
  ) {
    return { kind: 'unrelated' };
  }
  try {
    return interpret(parse(bytes, query.type === 'SRV'), query);
  } catch (thrown) {
    return { kind: 'failed', why: `an answer that cannot be read (${messageOf(thrown)})` };
  }
}

/**
 * Question and answers of a message, with what was added to them where that is wanted and sound; only the question where
 * the message is truncated. Throws where question or answers are damaged.
 */
function parse(bytes: Buffer, wantsAdditionals: boolean): Packet {
  const isTruncated = (bytes.readUInt8(2) & 0x02) !== 0;
  const questions = bytes.readUInt16BE(4);
  const answers = isTruncated ? 0 : bytes.readUInt16BE(6);
  // dns2 tries as often as the header says and passes over what it cannot read: counts of a hostile header would keep it
  // busy for a second, and half a set would look like a whole one.
  if (answers > maxRecords) throw new Error(`${answers} records`);
  const wanted = Buffer.from(bytes);
  wanted.writeUInt16BE(answers, 6);
  const rest = maskRecords(wanted, recordsOffset(wanted, questions), answers);
  if (isTruncated || !wantsAdditionals || !maskRest(wanted, rest)) wanted.writeUInt32BE(0, 8);
  const packet = Packet.parse(wanted);
  if (packet.questions.length !== questions || packet.answers.length !== answers) {
    throw new Error('a damaged record');
  }
  const { authorities, additionals, header } = packet;
  // After a record that it could not read, dns2 reads on at the wrong byte.
  const isRestSound = authorities.length === header.nscount && additionals.length === header.arcount;
  if (!isRestSound) packet.additionals = [];
  return packet;
}

/** What stands behind the answers is a courtesy. @returns whether it is fit to be read */
function maskRest(bytes: Buffer, offset: number): boolean {
  const count = bytes.readUInt16BE(8) + bytes.readUInt16BE(10);
  if (count > maxRest) return false;
  try {
    maskRecords(bytes, offset, count);
    return true;
  } catch {
    return false;
  }
}

function interpret<T extends RecordType>(packet: Packet, query: Query & { type: T }): Answer<T> {
  const { header, questions } = packet;
  const [question] = questions;
  // A server that could not read the question may leave it out of its complaint.
  const complains = header.rcode !== noError && header.rcode !== noName;
  if (question === undefined ? !complains : !isQuestion(question, query)) return { kind: 'unrelated' };
  if (complains) {
    const why = complaints[header.rcode] ?? `response code ${header.rcode}`;
    return formatRefusals.has(header.rcode)
      ? { kind: 'failed', why, isFormatRefused: true }
      : { kind: 'failed', why };
  }
  if (header.tc === 1) return { kind: 'truncated' };
  if (header.rcode === noName) return { kind: 'nonexistent', what: 'name' };
  const found = findRecords(query, packet.answers, packet.additionals);
  if (found !== undefined) return { kind: 'records', ...found };
  // A server that asks no others says nothing about what it does not own: neither by a referral nor by an alias that
  // leads out of its zone.
  const isOwner = header.aa === 1 && packet.answers.length === 0;
  if (header.ra === 0 && !isOwner) {
    return { kind: 'failed', why: 'a referral (the server does not resolve names for others)' };
  }
  return { kind: 'nonexistent', what: 'type' };
}

function isQuestion(question: Question, query: Query): boolean {
  return (
    question.name.toLowerCase() === query.name.toLowerCase() &&
    question.type === Packet.TYPE[query.type] &&
    question.class === Packet.CLASS.IN
  );
}
