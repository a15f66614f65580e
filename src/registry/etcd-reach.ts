import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { EtcdServer, EtcdTls } from './etcd-settings.ts';

/** What a client of HTTP/2 begins with: the preface, and settings of which all stay at their defaults (RFC 9113, 3.4 and 4.1). */
const greeting = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
]);
/** A frame begins with its length, 3 bytes, and its type, one; a server's first is SETTINGS. */
const typeOffset = 3;
const settingsType = 4;

/**
 * Opens a connection to a server, waits until it answers in HTTP/2, and closes it.
 *
 * gRPC's own client waits without bound for a server that accepts and then keeps silent, and keeps that socket when it is
 * closed; Node's HTTP/2 client does not notice that a server has turned its certificate down (TLS 1.3 says so after the
 * handshake). So a server that does either never gets as far as gRPC.
 *
 * @throws Error of the system or of TLS, or that the server does not speak HTTP/2; nothing is thrown on abort
 */
export function reachServer(
  server: EtcdServer,
  tls: EtcdTls | undefined,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  const socket = open(server, tls);
  return new Promise((resolve, reject) => {
    const settle = (failure?: Error) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      if (failure === undefined) resolve();
      else reject(failure);
    };
    const onAbort = () => settle();
    const timer = setTimeout(() => settle(new Error('no answer in time')), timeoutMs);
    signal.addEventListener('abort', onAbort, { once: true });
    let answer = Buffer.alloc(0);
    socket.on('data', (bytes: Buffer) => {
      answer = Buffer.concat([answer, bytes]);
      if (answer.length <= typeOffset) return;
      const isSettings = answer[typeOffset] === settingsType;
      settle(isSettings ? undefined : new Error('what listens there does not speak HTTP/2'));
    });
    socket.on('error', settle);
    socket.on('close', () => settle(new Error('the connection was closed')));
    socket.write(greeting);
  });
}

function open({ host, port }: EtcdServer, tls: EtcdTls | undefined): Socket {
  if (tls === undefined) return connect({ host, port });
  // An address is checked against the certificate, but may not be sent as a server's name (RFC 6066, 3).
  const servername = isIP(host) === 0 ? host : '';
  return connectTls({ ...tls, host, port, servername, ALPNProtocols: ['h2'] });
}
