import { loadLibc } from '../sys/libc.ts';
import type { DataPlane, DataPlaneOptions } from './data-plane.ts';
import { ownDestination, redirectedDestination } from './portable/destination.ts';
import { TcpProxy } from './portable/tcp-proxy.ts';

/**
 * A data plane, not started yet.
 *
 * @throws AppError ERR_CANNOT_START where original destinations are asked for and cannot be read on this platform
 */
export async function makeDataPlane({ destination, ...options }: DataPlaneOptions): Promise<DataPlane> {
  const readDestination =
    destination === 'redirected' ? redirectedDestination(await loadLibc()) : ownDestination;
  return new TcpProxy({ ...options, readDestination });
}
