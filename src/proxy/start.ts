import { availableParallelism } from 'node:os';
import { messageOf } from '../core/errors.ts';
import { loadLibc } from '../sys/libc.ts';
import type { DataPlane, DataPlaneOptions } from './data-plane.ts';
import { EpollProxy } from './epoll/epoll-proxy.ts';
import { sharePool } from './epoll/shared-pool.ts';
import { ownDestination, redirectedDestination } from './portable/destination.ts';
import { TcpProxy } from './portable/tcp-proxy.ts';

/** Which data plane carries the connections. */
export interface DataPlaneChoice {
  /** auto: worker threads where they can run, else the portable relay; portable: that one */
  readonly dataPlane?: 'auto' | 'portable';
  /** Worker threads; absent: by the CPUs. */
  readonly workers?: number;
}

/** The other half of the CPUs is for the callers and endpoints on the same host, and four workers fill a network. */
export function defaultWorkers(cpus: number): number {
  return Math.max(1, Math.min(4, Math.floor(cpus / 2)));
}

/**
 * The data plane that can run here, not started yet; start it or stop it. What kept the better one from running is
 * one line in the log.
 *
 * @throws AppError ERR_CANNOT_START where original destinations are asked for and cannot be read on this platform
 */
export async function makeDataPlane(
  options: DataPlaneOptions,
  { dataPlane = 'auto', workers = defaultWorkers(availableParallelism()) }: DataPlaneChoice = {},
): Promise<DataPlane> {
  if (dataPlane === 'auto') {
    try {
      const share = await sharePool({ workers, openFiles: options.openFiles, logger: options.logger });
      return new EpollProxy(options, share);
    } catch (thrown) {
      const reason = messageOf(thrown);
      options.logger.warn(`the data plane in worker threads cannot run, the portable one serves: ${reason}`);
    }
  }
  const readDestination =
    options.destination === 'redirected' ? redirectedDestination(await loadLibc()) : ownDestination;
  return new TcpProxy({ ...options, readDestination });
}
