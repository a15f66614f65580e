import { randomInt } from 'node:crypto';
import type { SocketAddress } from '../../core/address.ts';
import { AppError } from '../../core/errors.ts';
import { Slots } from '../../core/slots.ts';
import { describeServer, exchange, type Outcome } from './exchange.ts';
import type { RecordData, RecordType } from './records.ts';
import type { ResolvConf } from './resolv-conf.ts';
import { searchCandidates } from './search.ts';

export type DnsRecord = { [T in RecordType]: { readonly type: T; readonly data: RecordData[T] } }[RecordType];

/** What DNS says about a name. */
export type DnsLookup<T extends RecordType = RecordType> =
  | {
      readonly kind: 'records';
      /** In the order of the types asked for, and within one type of the answer. */
      readonly records: readonly Extract<DnsRecord, { type: T }>[];
      /** The least of all answers. */
      readonly ttlSeconds: number;
      /** Who answered first. */
      readonly server: SocketAddress;
      /** Types that no server could say anything about: their records are not gone, they are not known. */
      readonly unknown: readonly { readonly type: T; readonly error: AppError }[];
    }
  /** Authoritative: no such name, or no record of these types, under any name of the search list. */
  | { readonly kind: 'nonexistent' }
  /** ERR_RESOLVE_FAILED: nobody could say. `isSilent`: no server has answered anything. */
  | { readonly kind: 'failed'; readonly error: AppError; readonly isSilent: boolean };

/** The outcome for one name and one type, after every server has had its turns. */
type Asked<T extends RecordType> =
  | { readonly kind: 'answered'; readonly server: SocketAddress; readonly outcome: Decisive<T> }
  | { readonly kind: 'failed'; readonly error: AppError; readonly isSilent: boolean };
type Decisive<T extends RecordType> = Extract<Outcome<T>, { kind: 'records' | 'nonexistent' }>;

export interface DnsClientOptions {
  /** Read anew for each look-up. Must not reject. */
  readonly config: () => Promise<ResolvConf>;
  /** Sockets open at once. */
  readonly maxInFlight?: number;
  /** How long the other types are waited for once one has brought records, ms. */
  readonly graceMs?: number;
}

export class DnsClient {
  readonly #config: () => Promise<ResolvConf>;
  readonly #slots: Slots;
  readonly #graceMs: number;

  constructor({ config, maxInFlight = 64, graceMs = 1000 }: DnsClientOptions) {
    this.#config = config;
    this.#slots = new Slots(maxInFlight);
    this.#graceMs = graceMs;
  }

  /**
   * Asks for records of some types of a name: every name of the search list in turn until one has any of them. A server
   * that fails (SERVFAIL, REFUSED, an unreadable answer, silence) gives way to the next one.
   *
   * @param name  relative to the search list; absolute where it ends in a dot
   * @param types asked for at the same time; the first one's NXDOMAIN counts for all of them
   * @returns     never rejects; after an abort the outcome means nothing
   */
  async lookup<T extends RecordType>(
    name: string,
    types: readonly T[],
    signal: AbortSignal,
  ): Promise<DnsLookup<T>> {
    const config = await this.#config();
    let failure: Extract<DnsLookup, { kind: 'failed' }> | undefined;
    for (const candidate of searchCandidates(name, config)) {
      const found = await this.#lookupOne(candidate, types, config, signal);
      if (found.kind === 'records') return found;
      if (found.kind === 'failed') {
        failure ??= found;
        // Servers that are silent about one name will be silent about the next: no more time is spent on it.
        if (found.isSilent || signal.aborted) break;
      }
    }
    // Where one name of the list could not be asked for, nobody knows that the records are not there.
    return failure ?? { kind: 'nonexistent' };
  }

  async #lookupOne<T extends RecordType>(
    name: string,
    types: readonly T[],
    config: ResolvConf,
    signal: AbortSignal,
  ): Promise<DnsLookup<T>> {
    const enough = new AbortController();
    const stop = () => enough.abort();
    let grace: NodeJS.Timeout | undefined;
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    const asked = await Promise.all(
      types.map(async (type) => {
        const answer = await this.#ask(name, type, config, enough.signal);
        const hasRecords = answer.kind === 'answered' && answer.outcome.kind === 'records';
        if (hasRecords) grace ??= setTimeout(stop, this.#graceMs);
        return { type, answer };
      }),
    );
    clearTimeout(grace);
    signal.removeEventListener('abort', stop);
    return merge(asked);
  }

  /** Goes through the servers until one has an answer to the question. */
  async #ask<T extends RecordType>(
    name: string,
    type: T,
    { nameservers, attempts, timeoutMs }: ResolvConf,
    signal: AbortSignal,
  ): Promise<Asked<T>> {
    const complaints = new Map<string, string>();
    let isSilent = true;
    for (let attempt = 0; attempt < attempts; attempt++) {
      for (const server of nameservers) {
        if (!(await this.#slots.acquire(signal))) break;
        try {
          const query = { id: randomInt(0x1_0000), name, type };
          const outcome = await exchange(server, query, { timeoutMs, isPlain: attempt > 0 }, signal);
          if (outcome.kind === 'records' || outcome.kind === 'nonexistent') {
            return { kind: 'answered', server, outcome };
          }
          if (outcome.kind === 'failed') isSilent = false;
          complaints.set(describeServer(server), outcome.why);
        } finally {
          this.#slots.release();
        }
      }
    }
    const reasons = [...complaints].map(([server, why]) => `${server}: ${why}`).join('; ');
    const message = `cannot resolve "${name}" (${type}): ${reasons || 'given up'}`;
    return { kind: 'failed', error: new AppError('ERR_RESOLVE_FAILED', message), isSilent };
  }
}

/** Joins what was said about each type of one name. */
function merge<T extends RecordType>(
  asked: readonly { readonly type: T; readonly answer: Asked<T> }[],
): DnsLookup<T> {
  const records: Extract<DnsRecord, { type: T }>[] = [];
  const unknown: { type: T; error: AppError; isSilent: boolean }[] = [];
  let ttlSeconds = Number.POSITIVE_INFINITY;
  let server: SocketAddress | undefined;
  for (const { type, answer } of asked) {
    if (answer.kind === 'failed') unknown.push({ type, error: answer.error, isSilent: answer.isSilent });
    else if (answer.outcome.kind === 'records') {
      server ??= answer.server;
      ttlSeconds = Math.min(ttlSeconds, answer.outcome.ttlSeconds);
      for (const data of answer.outcome.records) {
        records.push({ type, data } as Extract<DnsRecord, { type: T }>);
      }
    }
  }
  if (server !== undefined) return { kind: 'records', records, ttlSeconds, server, unknown };
  // NXDOMAIN is about the name, but some servers say it of a type that they do not know: only the first type's counts.
  const first = asked[0]?.answer;
  const isNoName =
    first?.kind === 'answered' && first.outcome.kind === 'nonexistent' && first.outcome.what === 'name';
  const [problem] = unknown;
  if (problem === undefined || isNoName) return { kind: 'nonexistent' };
  return { kind: 'failed', error: problem.error, isSilent: unknown.every(({ isSilent }) => isSilent) };
}
