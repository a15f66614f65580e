import { type Endpoint, endpointKey } from '../../core/endpoint.ts';
import { errnoName } from '../../sys/libc.ts';
import { errnos } from '../../sys/sockets.ts';
import type { FrontContext } from './context.ts';
import type { Dialling } from './dialling.ts';
import type { Watcher } from './watches.ts';

/**
 * Begins a connection to an endpoint.
 *
 * @param callerFd the caller's socket
 * @param watcher  told of its edges; an EPOLLOUT is its success
 * @returns its descriptor, which is the caller's to close; or the error's number below zero: then nothing is left of it
 */
export function dial(
  { lanes: { kernel }, watches, sockaddrs }: Pick<FrontContext, 'lanes' | 'watches' | 'sockaddrs'>,
  endpoint: Endpoint,
  callerFd: number,
  watcher: Watcher,
): number {
  const sockaddr = sockaddrs.of(endpoint);
  const fd = kernel.open(sockaddrs.familyOf(sockaddr));
  if (fd < 0) return fd;
  kernel.setNoDelay(fd);
  // Where the caller has spoken already, its first bytes can carry the acknowledgement of the handshake.
  if (kernel.waiting(callerFd) > 0) kernel.delayAcknowledgement(fd);
  let result = kernel.connect(fd, sockaddr);
  // Watched only now: a socket that has not begun to connect reports a hang-up.
  if (result >= 0 || result === -errnos.EINPROGRESS) result = watches.add(fd, watcher);
  if (result >= 0) return fd;
  kernel.close(fd);
  return result;
}

/** Takes down that the endpoint which is dialled now does not accept, and tells whoever should know. */
export function dialFailed(
  { reports, traffic }: Pick<FrontContext, 'reports' | 'traffic'>,
  dialling: Dialling,
  errno: number,
  caller: string,
  connId: string,
): void {
  const { backend, endpoint } = dialling;
  if (endpoint === undefined) return;
  const code = errnoName(errno);
  const text = endpointKey(endpoint);
  dialling.failed(code);
  traffic.of(backend.key, text).failures++;
  reports.dialFailed(endpoint, code);
  const fields = { caller, backend: backend.text, endpoint: text, connId, code };
  reports.line('info', `endpoint ${text} of ${backend.text}: ${code}`, fields);
}
