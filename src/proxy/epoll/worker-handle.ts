import { Worker } from 'node:worker_threads';
import type { WakeUp } from '../../sys/epoll.ts';
import type { Sockets } from '../../sys/sockets.ts';
import { Ledger } from './ledger.ts';
import type { FromWorker, ToWorker, WorkerBirth } from './messages.ts';

/** Next to this file, as source or as what the compiler made of it. */
const program = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);

/**
 * Heap of a worker, MB. Bytes do not live on it; connections and a copy of the route table do. A large young generation
 * would only grow into resident memory.
 */
const resourceLimits = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 512, stackSizeMb: 1 };

export interface HandleOptions {
  readonly thread: number;
  readonly ledger: SharedArrayBuffer;
  readonly maxPipes: number;
  readonly sockets: Pick<Sockets, 'reset'>;
  readonly wakeUp: WakeUp;
  readonly onMessage: (message: FromWorker) => void;
  /** After everything that it had open is closed. @param reason undefined where it was told to end */
  readonly onGone: (reason: unknown) => void;
}

/** A worker thread as the main thread sees it. */
export class WorkerHandle {
  readonly thread: number;
  readonly #worker: Worker;
  readonly #options: HandleOptions;
  readonly ready: Promise<void>;
  readonly gone: Promise<void>;
  #fault: unknown;
  #isTold = false;

  constructor(options: HandleOptions) {
    const { thread, ledger, maxPipes, wakeUp, onMessage, onGone } = options;
    this.thread = thread;
    this.#options = options;
    const workerData: WorkerBirth = { thread, wakeUp: wakeUp.fd, ledger, maxPipes };
    this.#worker = new Worker(program, { workerData, resourceLimits, name: `nuncio-${thread}` });
    const ready = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    this.ready = ready.promise;
    this.gone = gone.promise;
    // Whoever does not wait for it learns of the end by `onGone`.
    this.ready.catch(() => {});
    this.#worker.on('message', (message: FromWorker) => {
      if (message.kind === 'ready') ready.resolve();
      else onMessage(message);
    });
    this.#worker.on('error', (fault) => {
      this.#fault = fault;
    });
    this.#worker.on('exit', (code) => {
      this.#closeLeftovers();
      const reason = this.#isTold ? undefined : (this.#fault ?? new Error(`exit code ${code}`));
      ready.reject(reason);
      gone.resolve();
      onGone(reason);
    });
  }

  send(message: ToWorker): void {
    if (message.kind === 'end') this.#isTold = true;
    this.#worker.postMessage(message);
    this.#options.wakeUp.ring();
  }

  /** Ends it in whatever it does. */
  async kill(): Promise<void> {
    this.#isTold = true;
    const ended = this.#worker.terminate();
    this.#options.wakeUp.ring();
    await ended;
  }

  /** Its connections are cut off, not at their end: what can be reset is reset. */
  #closeLeftovers(): void {
    const ledger = new Ledger(this.#options.ledger, this.thread);
    for (const fd of ledger.held()) {
      ledger.closing(fd);
      this.#options.sockets.reset(fd);
    }
  }
}
