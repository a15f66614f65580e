import { connect } from 'node:net';
import { codeOf } from '../core/errors.ts';
import type { AskOnce } from './checks.ts';

/** The status is in the first line; more than this is not read. */
const maxAnswer = 1024;

/**
 * A check by HTTP: `HEAD /` with the host that clients ask for. Any answer below 500 is one of a server that works:
 * HAProxy's httpchk takes 2xx and 3xx only, and so leaves out an API that has nothing at `/`, or wants a login. Of the
 * others, 501 says that HEAD is not known, and not that anything is wrong.
 *
 * @returns undefined where it works, "HTTP_503" where it says not, "EPROTO" where it speaks no HTTP, or the socket's error
 */
export const askOnce: AskOnce = (address, host, timeoutMs, signal) =>
  new Promise((resolve) => {
    const socket = connect({ host: address.ip, port: address.port });
    let answer = '';
    const timer = setTimeout(() => settle('ETIMEDOUT'), timeoutMs);
    const aborted = () => settle('ECANCELED');
    signal.addEventListener('abort', aborted, { once: true });
    function settle(code: string | undefined): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', aborted);
      // A reset leaves no TIME_WAIT behind.
      if (socket.connecting) socket.destroy();
      else socket.resetAndDestroy();
      resolve(code);
    }
    socket.once('connect', () => {
      socket.write(
        `HEAD / HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: nuncio-check\r\nConnection: close\r\n\r\n`,
      );
    });
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      answer += text;
      if (answer.includes('\n') || answer.length > maxAnswer) settle(faultOf(answer));
    });
    socket.on('error', (error) => settle(codeOf(error) ?? 'unknown'));
    socket.on('end', () => settle('ECONNRESET'));
    if (signal.aborted) aborted();
  });

function faultOf(answer: string): string | undefined {
  const status = /^HTTP\/1\.\d (\d{3})[ \r\n]/.exec(answer)?.[1];
  if (status === undefined) return 'EPROTO';
  return status < '500' || status === '501' ? undefined : `HTTP_${status}`;
}
