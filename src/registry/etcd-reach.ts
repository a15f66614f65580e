import { connect } from 'node:http2';
import { formatHostPort } from '../core/address.ts';
import { unreachable } from './etcd-errors.ts';
import type { EtcdServer, EtcdTls } from './etcd-settings.ts';

/**
 * Opens a connection to a server, waits until it speaks HTTP/2, and closes it.
 *
 * gRPC's own client waits without bound for a server that accepts and then keeps silent, and keeps that socket when it is
 * closed; this one does not, so a silent server never gets as far as gRPC.
 *
 * @throws AppError ERR_RESOLVE_FAILED; nothing is thrown on abort
 */
export function reachServer(
  server: EtcdServer,
  tls: EtcdTls | undefined,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  const scheme = tls === undefined ? 'http' : 'https';
  const session = connect(`${scheme}://${formatHostPort(server.host, server.port)}`, tls ?? {});
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => session.destroy(new Error('no answer in time')), timeoutMs);
    const end = () => {
      clearTimeout(timer);
      session.destroy();
    };
    signal.addEventListener('abort', end, { once: true });
    let failure: unknown = new Error('the connection was closed');
    let isReached = false;
    session.once('remoteSettings', () => {
      isReached = true;
      end();
    });
    session.on('error', (thrown) => {
      failure = thrown;
    });
    session.once('close', () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      if (isReached || signal.aborted) resolve();
      else reject(unreachable(server, failure));
    });
  });
}
