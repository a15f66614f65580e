import { Backoff, sleep } from '../core/backoff.ts';
import { messageOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { DataPlane } from '../proxy/data-plane.ts';

export interface ServicePortsOptions {
  /** A data plane on a port, not started yet. */
  readonly listen: (port: number) => Promise<DataPlane>;
  readonly logger: Logger;
  /** How long connections to a service that is not registered any more may go on, ms. */
  readonly drainMs: number;
  /** Waits; ends early on abort. Never rejects. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Whoever may write into the registry must not make this host listen everywhere. */
const maxPorts = 1000;

/** One port that is listened on, or to be. */
export interface ServicePort {
  readonly port: number;
  /** Absent before it has been made. */
  readonly plane: DataPlane | undefined;
  /** Why it cannot be listened on at present; tried again. */
  readonly problem: string | undefined;
}

interface Held {
  readonly port: number;
  plane: DataPlane | undefined;
  problem: string | undefined;
  readonly end: AbortController;
  running: Promise<void>;
}

/**
 * The ports of the services: each is listened on for as long as a service has it. A port that something else has on this
 * host is reported once, and tried again with growing gaps, 1 to 30 s; the others are served.
 */
export class ServicePorts {
  readonly #options: Required<ServicePortsOptions>;
  readonly #held = new Map<number, Held>();
  #isFull = false;
  /** Those that drain. */
  readonly #leaving = new Map<Held, Promise<void>>();

  constructor(options: ServicePortsOptions) {
    this.#options = { sleep, ...options };
  }

  get all(): readonly ServicePort[] {
    return [...this.#held.values()];
  }

  /** Connections that are open, those that drain included. */
  get active(): number {
    const all = [...this.#held.values(), ...this.#leaving.keys()];
    return all.reduce((sum, { plane }) => sum + (plane?.counters.active ?? 0), 0);
  }

  /** Listens on these ports, and on no others. */
  set(ports: ReadonlySet<number>): void {
    for (const [port, held] of this.#held) {
      if (ports.has(port)) continue;
      this.#held.delete(port);
      held.end.abort();
      this.#options.logger.info(`port ${port}: no service has it any more`);
      this.#leave(held, this.#options.drainMs);
    }
    for (const port of ports) if (!this.#held.has(port) && this.#held.size < maxPorts) this.#hold(port);
    const isFull = ports.size > maxPorts;
    if (isFull && !this.#isFull) {
      const message = `${ports.size} ports are registered: the first ${maxPorts} are listened on`;
      this.#options.logger.error(message, { code: 'ERR_LIMIT' });
    }
    this.#isFull = isFull;
  }

  /** Ends all of them; what is open may take so long. May be called again with less. */
  async stop(deadlineMs: number): Promise<void> {
    const all = [...this.#held.values()];
    this.#held.clear();
    for (const held of all) {
      held.end.abort();
      this.#leave(held, deadlineMs);
    }
    for (const { plane } of this.#leaving.keys()) void plane?.stop(deadlineMs);
    await Promise.all(this.#leaving.values());
  }

  #hold(port: number): void {
    const held: Held = {
      port,
      plane: undefined,
      problem: undefined,
      end: new AbortController(),
      running: Promise.resolve(),
    };
    this.#held.set(port, held);
    held.running = this.#open(held);
  }

  async #open(held: Held): Promise<void> {
    const { logger, listen, sleep } = this.#options;
    const backoff = new Backoff({ initialMs: 1000, maxMs: 30_000, factor: 2 });
    while (!held.end.signal.aborted) {
      try {
        held.plane = await listen(held.port);
        if (held.end.signal.aborted) return;
        await held.plane.start();
        held.problem = undefined;
        logger.info(`port ${held.port}: listening`);
        return;
      } catch (thrown) {
        const problem = messageOf(thrown);
        if (held.problem === undefined) {
          logger.error(`port ${held.port}: ${problem}; its service is not served here, tried again`, {
            code: 'ERR_CANNOT_START',
          });
        }
        held.problem = problem;
        await held.plane?.stop(0);
      }
      await sleep(backoff.next(), held.end.signal);
    }
  }

  #leave(held: Held, deadlineMs: number): void {
    const left = held.running
      .then(() => held.plane?.stop(deadlineMs))
      .catch((thrown: unknown) => this.#options.logger.error(`port ${held.port}: ${messageOf(thrown)}`))
      .finally(() => this.#leaving.delete(held));
    this.#leaving.set(held, left);
  }
}
