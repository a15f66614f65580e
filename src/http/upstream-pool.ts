import type { UpstreamConnection } from './upstream.ts';

export interface PoolLimits {
  /** Idle connections that are kept to one endpoint. */
  readonly maxIdlePerEndpoint: number;
  /** Idle connections that are kept to all of them. */
  readonly maxIdle: number;
  /** How long one may be idle, ms. Below the 5 s after which Node's and Apache's servers close. */
  readonly idleMs: number;
}

export const defaultPoolLimits: PoolLimits = { maxIdlePerEndpoint: 64, maxIdle: 1024, idleMs: 4000 };

/**
 * Connections to endpoints that wait for the next request. The one that was used last is taken first, so that the others
 * grow old and go.
 */
export class UpstreamPool {
  readonly #limits: PoolLimits;
  readonly #idle = new Map<string, UpstreamConnection[]>();
  #size = 0;

  constructor(limits: PoolLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#size;
  }

  /**
   * @param now       coarse clock, ms
   * @param maxIdleMs one that has been idle for longer is not given out
   */
  take(key: string, now: number, maxIdleMs: number): UpstreamConnection | undefined {
    const stack = this.#idle.get(key);
    const last = stack?.at(-1);
    if (stack === undefined || last === undefined) return undefined;
    const idleMs = now - last.idleSince;
    if (idleMs > Math.min(maxIdleMs, this.#limits.idleMs, last.idleLimitMs)) return undefined;
    stack.pop();
    this.#size--;
    if (stack.length === 0) this.#idle.delete(key);
    return last.isReusable ? last : undefined;
  }

  give(connection: UpstreamConnection, now: number): void {
    const stack = this.#idle.get(connection.key) ?? [];
    const isFull = stack.length >= this.#limits.maxIdlePerEndpoint || this.#size >= this.#limits.maxIdle;
    if (!connection.isReusable || isFull) {
      connection.discard();
      return;
    }
    connection.idleSince = now;
    stack.push(connection);
    this.#size++;
    this.#idle.set(connection.key, stack);
  }

  /** Forgets a connection that has closed. */
  remove(connection: UpstreamConnection): void {
    const stack = this.#idle.get(connection.key);
    const index = stack?.indexOf(connection) ?? -1;
    if (stack === undefined || index === -1) return;
    stack.splice(index, 1);
    this.#size--;
    if (stack.length === 0) this.#idle.delete(connection.key);
  }

  /** Closes what has been idle for too long. */
  tick(now: number): void {
    for (const stack of [...this.#idle.values()]) {
      const old = stack.filter((one) => now - one.idleSince > Math.min(this.#limits.idleMs, one.idleLimitMs));
      for (const connection of old) this.#close(connection);
    }
  }

  stop(): void {
    for (const stack of [...this.#idle.values()])
      for (const connection of [...stack]) this.#close(connection);
  }

  #close(connection: UpstreamConnection): void {
    this.remove(connection);
    connection.discard();
  }
}
