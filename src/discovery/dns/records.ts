import { Packet, type Resource } from 'dns2';
import { canonicalIp } from '../../core/address.ts';

/** What an SRV record says (RFC 2782). */
export interface SrvData {
  /** Lower is tried first. */
  readonly priority: number;
  readonly weight: number;
  /** 0..65535; 0 is nothing to connect to, though some registries write it. */
  readonly port: number;
  /** In lower case, without a trailing dot; empty = the root: the service is decidedly not available. */
  readonly target: string;
  /** What the same message says about the target: canonical, each once; empty where it says nothing. */
  readonly addresses: readonly string[];
}

/** What a record of each type holds, for the types that are asked for: A and AAAA a canonical address. */
export interface RecordData {
  A: string;
  AAAA: string;
  SRV: SrvData;
}
export type RecordType = keyof RecordData;

/** The records of one name and type; `ttlSeconds` is the least of them, of the aliases that led there, and of what was added. */
export interface Found<T extends RecordType> {
  readonly records: readonly RecordData[T][];
  readonly ttlSeconds: number;
}

/** One record's data, and the time to live of what it was completed with. */
interface Reading<Data> {
  readonly data: Data;
  readonly ttlSeconds?: number;
}

const maxAliases = 16;
const maxPort = 65_535;

const readAddress = ({ address }: Resource): Reading<string> | undefined => {
  const data = canonicalIp(address ?? '');
  return data === undefined ? undefined : { data };
};

function readSrv(
  { priority = -1, weight = -1, port = -1, target }: Resource,
  additionals: readonly Resource[],
): Reading<SrvData> | undefined {
  if (target === undefined || ![priority, weight, port].every((value) => value >= 0 && value <= maxPort)) {
    return undefined;
  }
  const name = target.toLowerCase();
  const known = addedAddresses(name, additionals);
  const data = { priority, weight, port, target: name, addresses: known.records };
  return { data, ttlSeconds: known.ttlSeconds };
}

/** How the data of a record is taken from dns2's form of it; undefined where it is not what the type says. */
const readers: {
  readonly [T in RecordType]: (
    record: Resource,
    additionals: readonly Resource[],
  ) => Reading<RecordData[T]> | undefined;
} = { A: readAddress, AAAA: readAddress, SRV: readSrv };

/**
 * The records of a name, aliases (CNAME) followed within the message.
 *
 * @param additionals what the server added without being asked: addresses of an SRV record's targets
 * @returns           undefined where there is none
 * @throws Error where a record of the type is damaged, or the aliases do not end
 */
export function findRecords<T extends RecordType>(
  question: { readonly name: string; readonly type: T },
  answers: readonly Resource[],
  additionals: readonly Resource[] = [],
): Found<T> | undefined {
  const { type } = question;
  let name = question.name.toLowerCase();
  let ttlSeconds = Number.POSITIVE_INFINITY;
  for (let aliases = 0; aliases <= maxAliases; aliases++) {
    const own = answers.filter(
      (record) => record.class === Packet.CLASS.IN && record.name.toLowerCase() === name,
    );
    const matching = own.filter((record) => record.type === Packet.TYPE[type]);
    if (matching.length > 0) {
      const records: RecordData[T][] = [];
      for (const record of matching) {
        const reading = readers[type](record, additionals);
        if (reading === undefined) throw new Error(`a damaged ${type} record`);
        records.push(reading.data);
        ttlSeconds = Math.min(ttlSeconds, record.ttl, reading.ttlSeconds ?? Number.POSITIVE_INFINITY);
      }
      return { records, ttlSeconds };
    }
    const alias = own.find((record) => record.type === Packet.TYPE.CNAME);
    if (alias?.domain === undefined) return undefined;
    ttlSeconds = Math.min(ttlSeconds, alias.ttl);
    name = alias.domain.toLowerCase();
  }
  throw new Error(`more than ${maxAliases} aliases in a row`);
}

/** What was added is a courtesy: where it is damaged, it is as if it were not there. */
function addedAddresses(target: string, additionals: readonly Resource[]): Found<'A' | 'AAAA'> {
  const records = new Set<string>();
  let ttlSeconds = Number.POSITIVE_INFINITY;
  for (const type of ['A', 'AAAA'] as const) {
    try {
      const found = findRecords({ name: target, type }, additionals);
      for (const ip of found?.records ?? []) records.add(ip);
      ttlSeconds = Math.min(ttlSeconds, found?.ttlSeconds ?? Number.POSITIVE_INFINITY);
    } catch {
      return { records: [], ttlSeconds: Number.POSITIVE_INFINITY };
    }
  }
  return { records: [...records].sort(), ttlSeconds };
}
