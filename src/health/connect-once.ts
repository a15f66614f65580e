import { connect, Socket } from 'node:net';
import type { SocketAddress } from '../core/address.ts';
import { codeOf } from '../core/errors.ts';
import type { ConnectOnce } from './checks.ts';

/** A check over TCP: the connection is reset as soon as it is accepted, so that it leaves no TIME_WAIT behind. */
export const connectOnce: ConnectOnce = (address, timeoutMs, signal) =>
  outcomeOf(connect({ host: address.ip, port: address.port }), timeoutMs, signal);

/**
 * The same from a socket that has been made already, in another network namespace perhaps.
 *
 * @param fd a non-blocking TCP socket of the address's family; closed when this is over
 */
export function connectOnceBy(
  fd: number,
  address: SocketAddress,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const socket = new Socket({ fd });
  return outcomeOf(socket.connect({ host: address.ip, port: address.port }), timeoutMs, signal);
}

function outcomeOf(socket: Socket, timeoutMs: number, signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => settle('ETIMEDOUT'), timeoutMs);
    const aborted = () => settle('ECANCELED');
    signal.addEventListener('abort', aborted, { once: true });
    function settle(code: string | undefined): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', aborted);
      if (code === undefined) socket.resetAndDestroy();
      else socket.destroy();
      resolve(code);
    }
    socket.once('connect', () => settle(undefined));
    socket.on('error', (error) => settle(codeOf(error) ?? 'unknown'));
    if (signal.aborted) aborted();
  });
}
