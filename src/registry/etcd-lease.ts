import { randomBytes } from 'node:crypto';
import { ok, type Result } from '../core/result.ts';
import type { EtcdWriter } from './etcd.ts';

/** What became of a key that was to be written: `taken` is somebody else's, with what it holds. */
export type PutOutcome = { readonly kind: 'written' } | { readonly kind: 'taken'; readonly value: string };

/** undefined: the signal has aborted or the session is over; an error: the server refuses this request. */
type Outcome<T> = Promise<Result<T> | undefined>;

/**
 * A lease and the keys on it: they end together, at the latest `ttlS` after whoever keeps the lease alive is gone. The
 * lease outlives a session, so each call is given the session to go through.
 *
 * Its number is chosen here and not by the server: a lease whose granting was not answered can still be revoked. The
 * keys are told from anybody else's by it.
 */
export class EtcdLease {
  readonly ttlS: number;
  /** A positive int64 in decimal digits. */
  readonly id: string;

  constructor(ttlS: number) {
    this.ttlS = ttlS;
    this.id = (randomBytes(8).readBigUInt64BE() >> 1n || 1n).toString();
  }

  /** Keeps the lease alive; grants it (again) where there is none. @returns which of the two it was */
  async keep(session: EtcdWriter, signal: AbortSignal): Outcome<'kept' | 'granted'> {
    const kept = await session.ask('Lease.leaseKeepAlive', { ID: this.id }, this.#name, signal);
    if (!kept?.ok) return kept;
    if (BigInt(kept.value.TTL) > 0n) return ok('kept');
    const request = { ID: this.id, TTL: `${this.ttlS}` };
    const granted = await session.ask('Lease.leaseGrant', request, this.#name, signal);
    return granted?.ok ? ok('granted') : granted;
  }

  /**
   * Writes a key that is absent, on this lease already, or on another lease with the very same value: that is what an
   * earlier run of ours has left. Anything else is somebody's own and stays.
   */
  async put(session: EtcdWriter, key: string, value: string, signal: AbortSignal): Outcome<PutOutcome> {
    const [name, text] = [Buffer.from(key), Buffer.from(value)];
    let guard: object = { target: 'Create', result: 'Equal', key: name, create_revision: '0' };
    let found = '';
    // Each round sees the key as it was in the one before; who changes it every time is somebody else.
    for (let round = 1; round <= 3; round++) {
      const request = {
        compare: [guard],
        success: [{ request_put: { key: name, value: text, lease: this.id } }],
        failure: [{ request_range: { key: name } }],
      };
      const asked = await session.ask('KV.txn', request, key, signal);
      if (!asked?.ok) return asked;
      if (asked.value.succeeded) return ok({ kind: 'written' });
      const kv = asked.value.responses[0]?.response_range.kvs[0];
      found = kv?.value.toString() ?? '';
      if (kv !== undefined && kv.lease !== this.id && (kv.lease === '0' || found !== value)) break;
      guard = { target: 'Mod', result: 'Equal', key: name, mod_revision: kv?.mod_revision ?? '0' };
    }
    return ok({ kind: 'taken', value: found });
  }

  /** Removes a key where it is on this lease; another's stays. */
  async remove(session: EtcdWriter, key: string, signal: AbortSignal): Outcome<undefined> {
    const name = Buffer.from(key);
    const request = {
      compare: [{ target: 'Lease', result: 'Equal', key: name, lease: this.id }],
      success: [{ request_delete_range: { key: name } }],
    };
    const asked = await session.ask('KV.txn', request, key, signal);
    return asked?.ok ? ok(undefined) : asked;
  }

  /** The keys that are on this lease now; empty where it is over. */
  async keys(session: EtcdWriter, signal: AbortSignal): Outcome<ReadonlySet<string>> {
    const request = { ID: this.id, keys: true };
    const asked = await session.ask('Lease.leaseTimeToLive', request, this.#name, signal);
    return asked?.ok ? ok(new Set(asked.value.keys.map((key) => key.toString()))) : asked;
  }

  /** Ends the lease, and every key on it, at once. */
  async revoke(session: EtcdWriter, signal: AbortSignal): Outcome<undefined> {
    const asked = await session.ask('Lease.leaseRevoke', { ID: this.id }, this.#name, signal);
    return asked?.ok ? ok(undefined) : asked;
  }

  get #name(): string {
    return `lease ${BigInt(this.id).toString(16)}`;
  }
}
