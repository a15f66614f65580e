import { connect } from 'node:net';
import { codeOf } from '../core/errors.ts';
import type { ConnectOnce } from './tcp-checks.ts';

/** A check over TCP: the connection is reset as soon as it is accepted, so that it leaves no TIME_WAIT behind. */
export const connectOnce: ConnectOnce = (address, timeoutMs, signal) =>
  new Promise((resolve) => {
    const socket = connect({ host: address.ip, port: address.port });
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
