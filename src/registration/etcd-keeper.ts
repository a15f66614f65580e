import type { AppError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { EtcdConnections, EtcdWriter, SessionFollower } from '../registry/etcd.ts';
import { EtcdLease, type PutOutcome } from '../registry/etcd-lease.ts';
import type { EtcdServer } from '../registry/etcd-settings.ts';
import type { EntryKeeper, KeeperState } from './keeper.ts';

export interface EtcdKeeperOptions {
  readonly connections: Pick<EtcdConnections, 'follow'>;
  readonly servers: readonly EtcdServer[];
  readonly logger: Logger;
  /** A third of it passes between two signs of life, s. */
  readonly ttlS?: number;
  /** How often it is looked whether everything is there, ms. */
  readonly checkMs?: number;
  /** A clock that does not jump, ms. */
  readonly now?: () => number;
}

interface Held {
  /** undefined: to be removed. */
  wanted: string | undefined;
  /** What we have written, as far as is known. */
  written: string | undefined;
  /** Why it could not be written or removed when that was tried last. */
  refusal: string | undefined;
}

/**
 * Entries in etcd, all on one lease: the process that ends without a word takes its entries along within the lease's time.
 *
 * One loop a session does one thing at a time: it keeps the lease alive, writes what is not there, removes what is not
 * wanted, and looks every 30 s whether the server agrees. A lease that is over (etcd came back empty, or was away too
 * long) is granted again, and everything is written again.
 */
export class EtcdKeeper implements EntryKeeper<string>, SessionFollower {
  readonly #options: Required<EtcdKeeperOptions>;
  readonly #lease: EtcdLease;
  readonly #held = new Map<string, Held>();
  /** Keys that are not in the registry as they are wanted, and can be tried now. */
  readonly #open = new Set<string>();
  readonly #end = new AbortController();
  #session: EtcdWriter | undefined;
  #attempt = new AbortController();
  #loop: Promise<void> = Promise.resolve();
  #wake: () => void = () => {};
  #wasGranted = false;
  #keptMs = 0;
  #checkedMs = 0;
  /** The last complaint about the lease itself. */
  #complaint: string | undefined;
  #stopping: Promise<void> | undefined;

  constructor(options: EtcdKeeperOptions) {
    this.#options = { ttlS: 15, checkMs: 30_000, now: () => performance.now(), ...options };
    this.#lease = new EtcdLease(this.#options.ttlS);
  }

  get state(): KeeperState {
    const wanted = [...this.#held.values()].filter((held) => held.wanted !== undefined);
    return {
      isConnected: this.#session !== undefined,
      wanted: wanted.length,
      written: wanted.filter((held) => held.written === held.wanted).length,
    };
  }

  /** Does not wait for etcd: an outage at the start is one like any other. */
  async start(): Promise<void> {
    this.#options.connections.follow(this.#options.servers, this, this.#end.signal);
  }

  hold(entries: ReadonlyMap<string, string>): void {
    for (const [key, held] of this.#held) {
      if (!entries.has(key) && held.wanted !== undefined) this.#want(key, held, undefined);
    }
    for (const [key, value] of entries) {
      const held = this.#held.get(key) ?? { wanted: undefined, written: undefined, refusal: undefined };
      this.#held.set(key, held);
      if (held.wanted !== value) this.#want(key, held, value);
    }
    this.#wake();
  }

  onSession(session: EtcdWriter): void {
    this.#attempt.abort();
    this.#attempt = new AbortController();
    this.#session = session;
    const signal = AbortSignal.any([this.#attempt.signal, this.#end.signal]);
    this.#loop = this.#keepAll(session, signal);
  }

  onLost(): void {
    this.#session = undefined;
    this.#attempt.abort();
  }

  /** The connections log it. */
  onDown(): void {}

  /** Revokes the lease: every entry is gone at once. Without a session the lease ends by itself. */
  stop(deadlineMs: number): Promise<void> {
    this.#stopping ??= this.#finish();
    const timer = setTimeout(() => this.#end.abort(), deadlineMs);
    return this.#stopping.finally(() => clearTimeout(timer));
  }

  async #finish(): Promise<void> {
    this.#wake();
    await this.#loop;
    const { written } = this.state;
    const session = this.#session;
    const revoked =
      session === undefined || !this.#wasGranted
        ? undefined
        : await this.#lease.revoke(session, this.#end.signal);
    this.#end.abort();
    if (written === 0) return;
    const { logger, ttlS } = this.#options;
    if (revoked?.ok) logger.info(`etcd: what was registered is removed (${written})`);
    else logger.warn(`etcd could not be told; what is registered (${written}) ends within ${ttlS} s`);
  }

  #want(key: string, held: Held, value: string | undefined): void {
    held.wanted = value;
    held.refusal = undefined;
    this.#open.add(key);
  }

  async #keepAll(session: EtcdWriter, signal: AbortSignal): Promise<void> {
    this.#keptMs = this.#checkedMs = Number.NEGATIVE_INFINITY;
    let isOver = false;
    while (!isOver && !signal.aborted && this.#stopping === undefined) {
      isOver = (await this.#next(session, signal)) === 'over';
    }
  }

  /** What is due first. @returns `over` where the session is */
  #next(session: EtcdWriter, signal: AbortSignal): Promise<'over' | 'done'> {
    const { now, checkMs } = this.#options;
    if (now() - this.#keptMs >= this.#gapMs) return this.#keepLease(session, signal);
    if (now() - this.#checkedMs >= checkMs) return this.#check(session, signal);
    const [key] = this.#wasGranted ? this.#open : [];
    return key === undefined ? this.#idle(signal) : this.#apply(session, key, signal);
  }

  /** Between two signs of life, ms: two may be missed. */
  get #gapMs(): number {
    return (this.#options.ttlS * 1000) / 3;
  }

  async #keepLease(session: EtcdWriter, signal: AbortSignal): Promise<'over' | 'done'> {
    const kept = await this.#lease.keep(session, signal);
    if (kept === undefined) return 'over';
    this.#keptMs = this.#options.now();
    this.#complain(kept.ok ? undefined : kept.error);
    if (!kept.ok) return 'done';
    if (kept.value === 'granted') this.#forgetWritten();
    this.#wasGranted = true;
    // Also what was refused: whoever was in the way may be gone.
    for (const [key, { wanted, written }] of this.#held) if (wanted !== written) this.#open.add(key);
    return 'done';
  }

  #forgetWritten(): void {
    const { written } = this.state;
    if (written > 0) this.#options.logger.warn(`etcd: the lease was over; writing again (${written})`);
    for (const held of this.#held.values()) held.written = undefined;
  }

  /** Compares what is on the lease with what we believe. */
  async #check(session: EtcdWriter, signal: AbortSignal): Promise<'over' | 'done'> {
    const found = await this.#lease.keys(session, signal);
    if (found === undefined) return 'over';
    this.#checkedMs = this.#options.now();
    this.#complain(found.ok ? undefined : found.error);
    if (!found.ok) return 'done';
    for (const [key, held] of this.#held) {
      if (held.written === undefined || found.value.has(key)) continue;
      this.#options.logger.warn(`etcd ${key}: somebody has removed or replaced it; writing it again`);
      held.written = undefined;
      this.#open.add(key);
    }
    for (const key of found.value) {
      if (this.#held.has(key)) continue;
      this.#held.set(key, { wanted: undefined, written: '', refusal: undefined });
      this.#open.add(key);
    }
    return 'done';
  }

  async #apply(session: EtcdWriter, key: string, signal: AbortSignal): Promise<'over' | 'done'> {
    this.#open.delete(key);
    const held = this.#held.get(key);
    if (held === undefined) return 'done';
    const { wanted } = held;
    const outcome =
      wanted === undefined
        ? await this.#lease.remove(session, key, signal)
        : await this.#lease.put(session, key, wanted, signal);
    if (outcome === undefined) return 'over';
    const refusal = outcome.ok ? refusalOf(outcome.value) : outcome.error.message;
    this.#report(key, held, wanted, refusal);
    held.refusal = refusal;
    if (refusal !== undefined) return 'done';
    held.written = wanted;
    // It may have been wanted otherwise meanwhile.
    if (held.wanted !== wanted) this.#open.add(key);
    else if (wanted === undefined) this.#held.delete(key);
    return 'done';
  }

  #report(key: string, held: Held, value: string | undefined, refusal: string | undefined): void {
    const { logger } = this.#options;
    const what = value === undefined ? 'removed' : 'registered';
    if (refusal !== undefined) {
      if (refusal !== held.refusal) logger.warn(`etcd ${key}: not ${what}: ${refusal}`);
    } else if (value !== undefined) logger.info(`etcd ${key}: ${what} ${value}`);
    else if (held.written !== undefined) logger.info(`etcd ${key}: ${what}`);
  }

  #complain(error: AppError | undefined): void {
    if (error !== undefined && error.message !== this.#complaint) {
      this.#options.logger.warn(error.message, { code: error.code });
    }
    this.#complaint = error?.message;
  }

  /** Until something is to be done, or the next sign of life is due. */
  async #idle(signal: AbortSignal): Promise<'done'> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { now, checkMs } = this.#options;
    const untilMs = Math.min(this.#keptMs + this.#gapMs, this.#checkedMs + checkMs) - now();
    const wake = () => resolve();
    const timer = setTimeout(wake, Math.max(0, untilMs));
    this.#wake = wake;
    signal.addEventListener('abort', wake, { once: true });
    await promise;
    clearTimeout(timer);
    signal.removeEventListener('abort', wake);
    return 'done';
  }
}

/** Why a key could not be written; undefined where it was, or was to be removed. */
function refusalOf(outcome: PutOutcome | undefined): string | undefined {
  if (outcome?.kind !== 'taken') return undefined;
  const { value } = outcome;
  const found = JSON.stringify(value.length > 120 ? `${value.slice(0, 120)}…` : value);
  return `somebody else's value is there and stays: ${found}; ours is written once it is gone`;
}
