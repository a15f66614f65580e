import { Backoff } from '../../core/backoff.ts';
import { messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import { loadWakeUp, type WakeUp } from '../../sys/epoll.ts';
import { loadPipes } from '../../sys/pipes.ts';
import { loadSockets, type Sockets } from '../../sys/sockets.ts';
import { makeLedgerMemory } from './ledger.ts';
import type { FromWorker, ToWorker } from './messages.ts';
import { WorkerHandle } from './worker-handle.ts';

/** Pipes of the whole process: a small part of its open files, of which `connection-limit.ts` leaves some free. */
const maxPipes = 64;
const filesPerPipe = 32;
/** How long a worker may take to end when it is told to, ms. */
const endMs = 2000;
/** A worker that has lived for so long was not broken from the start, ms. */
const provenMs = 60_000;

/** What a front is to the pool: it hears its workers, and is told when one has died or takes a dead one's place. */
export interface Tenant {
  onMessage(thread: number, message: Exclude<FromWorker, { kind: 'ready' }>): void;
  onDied(thread: number): void;
  onBorn(thread: number): void;
}

export interface PoolOptions {
  readonly workers: number;
  readonly openFiles: number;
  readonly logger: Logger;
}

/** The worker threads, which all fronts share. One that dies is replaced, with a back-off; the others go on. */
export class WorkerPool {
  readonly sockets: Sockets;
  readonly #options: PoolOptions;
  readonly #ledger: SharedArrayBuffer;
  readonly #wakeUps: readonly WakeUp[];
  readonly #handles = new Map<number, WorkerHandle>();
  readonly #tenants = new Map<number, Tenant>();
  readonly #restarts = new Set<NodeJS.Timeout>();
  readonly #backoff = new Backoff({ initialMs: 50, maxMs: 10_000, factor: 2 });
  #lastFront = 0;
  #isEnded = false;

  private constructor(options: PoolOptions, sockets: Sockets, wakeUps: readonly WakeUp[]) {
    this.#options = options;
    this.sockets = sockets;
    this.#wakeUps = wakeUps;
    this.#ledger = makeLedgerMemory(options.openFiles);
  }

  /**
   * @throws what kept a worker from starting: libc cannot be called, no epoll; nothing is left of it then
   */
  static async start(options: PoolOptions): Promise<WorkerPool> {
    const sockets = await loadSockets();
    await loadPipes();
    const wakeUps: WakeUp[] = [];
    try {
      for (let count = 0; count < options.workers; count++) wakeUps.push(await loadWakeUp());
      const pool = new WorkerPool(options, sockets, wakeUps);
      try {
        await Promise.all(pool.threads.map((thread) => pool.#spawn(thread).ready));
        return pool;
      } catch (thrown) {
        await pool.end();
        wakeUps.length = 0;
        throw thrown;
      }
    } catch (thrown) {
      for (const { fd } of wakeUps) sockets.close(fd);
      throw thrown;
    }
  }

  /** Numbers of the threads, from 1 on. */
  get threads(): readonly number[] {
    return this.#wakeUps.map((_, index) => index + 1);
  }

  /** @returns the front's number */
  admit(tenant: Tenant): number {
    this.#tenants.set(++this.#lastFront, tenant);
    return this.#lastFront;
  }

  dismiss(front: number): void {
    this.#tenants.delete(front);
  }

  /** A thread that is dead at the moment hears nothing: what it is to know, `onBorn` tells. */
  send(thread: number, message: ToWorker): void {
    this.#handles.get(thread)?.send(message);
  }

  isAlive(thread: number): boolean {
    return this.#handles.has(thread);
  }

  /** Ends every worker. */
  async end(): Promise<void> {
    if (this.#isEnded) return;
    this.#isEnded = true;
    for (const timer of this.#restarts) clearTimeout(timer);
    await Promise.all([...this.#handles.values()].map(endOne));
    for (const { fd } of this.#wakeUps) this.sockets.close(fd);
  }

  #spawn(thread: number): WorkerHandle {
    const wakeUp = this.#wakeUps[thread - 1];
    if (wakeUp === undefined) throw new RangeError(`no thread ${thread}`);
    const born = performance.now();
    const handle = new WorkerHandle({
      thread,
      ledger: this.#ledger,
      maxPipes: Math.max(
        1,
        Math.floor(Math.min(maxPipes, this.#options.openFiles / filesPerPipe) / this.#options.workers),
      ),
      sockets: this.sockets,
      wakeUp,
      onMessage: (message) => this.#heard(thread, message),
      onGone: (reason) => {
        this.#handles.delete(thread);
        if (reason === undefined || this.#isEnded) return;
        if (performance.now() - born > provenMs) this.#backoff.reset();
        this.#replace(thread, reason);
      },
    });
    this.#handles.set(thread, handle);
    return handle;
  }

  #heard(thread: number, message: FromWorker): void {
    if (message.kind !== 'ready') this.#tenants.get(message.front)?.onMessage(thread, message);
  }

  #replace(thread: number, reason: unknown): void {
    for (const tenant of [...this.#tenants.values()]) tenant.onDied(thread);
    const waitMs = this.#backoff.next();
    const stack = reason instanceof Error ? reason.stack : undefined;
    this.#options.logger.error(
      `worker ${thread} has died with its connections: ${messageOf(reason)}; another takes its place in ${waitMs} ms`,
      { code: 'ERR_WORKER', stack },
    );
    const timer = setTimeout(() => {
      this.#restarts.delete(timer);
      // Its first message is read when it is ready; a failure comes back as `onGone`.
      this.#spawn(thread);
      for (const tenant of [...this.#tenants.values()]) tenant.onBorn(thread);
    }, waitMs);
    this.#restarts.add(timer);
  }
}

async function endOne(handle: WorkerHandle): Promise<void> {
  handle.send({ kind: 'end' });
  const timer = setTimeout(() => void handle.kill(), endMs);
  await handle.gone;
  clearTimeout(timer);
}
