import { connect, type Socket } from 'node:net';
import type { Picker } from '../../balance/picker.ts';
import { type Endpoint, endpointKey } from '../../core/endpoint.ts';
import { AppError, codeOf } from '../../core/errors.ts';
import { fail, ok, type Result } from '../../core/result.ts';

export interface DialOptions {
  /** For one endpoint, ms. */
  readonly connectTimeoutMs: number;
  /** For all of them together, ms. */
  readonly dialBudgetMs: number;
  /** Time between keepalive probes on a silent connection, ms. */
  readonly keepAliveMs: number;
  readonly active: (endpoint: Endpoint) => number;
  /** Told of each endpoint that could not be reached. */
  readonly onFailure: (endpoint: Endpoint, code: string) => void;
  readonly signal: AbortSignal;
}

export interface Dialled {
  readonly socket: Socket;
  readonly endpoint: Endpoint;
}

/**
 * Connects to the endpoint that the picker chooses; where that fails, to the next, each once. No byte has been sent by
 * then, so the caller notices nothing. The socket comes back paused.
 *
 * @returns ERR_NO_ENDPOINT for an empty set, else ERR_CONNECT_FAILED with what each endpoint answered
 */
export async function dial(picker: Picker, options: DialOptions): Promise<Result<Dialled>> {
  const tried = new Set<Endpoint>();
  const failures: string[] = [];
  const deadline = performance.now() + options.dialBudgetMs;
  for (;;) {
    const endpoint = picker.pick({ tried, active: options.active });
    const leftMs = deadline - performance.now();
    if (endpoint === undefined || leftMs <= 0 || options.signal.aborted) break;
    tried.add(endpoint);
    const attempt = await connectTo(endpoint, Math.min(options.connectTimeoutMs, leftMs), options);
    if (typeof attempt !== 'string') return ok({ socket: attempt, endpoint });
    failures.push(`${endpointKey(endpoint)} ${attempt}`);
    options.onFailure(endpoint, attempt);
  }
  if (tried.size === 0) return fail(new AppError('ERR_NO_ENDPOINT', 'the backend has no endpoint'));
  return fail(new AppError('ERR_CONNECT_FAILED', `no endpoint accepts: ${failures.slice(0, 8).join(', ')}`));
}

/** @returns the connected socket, or the code of what went wrong ("ECONNREFUSED", "ETIMEDOUT") */
function connectTo(endpoint: Endpoint, timeoutMs: number, options: DialOptions): Promise<Socket | string> {
  return new Promise((resolve) => {
    const socket = connect({
      host: endpoint.ip,
      port: endpoint.port,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: options.keepAliveMs,
    });
    socket.pause();
    const timer = setTimeout(() => settle('ETIMEDOUT'), timeoutMs);
    const stopped = () => settle('ECANCELED');
    const failed = (error: Error) => settle(codeOf(error) ?? 'unknown');

    function settle(failure: string | undefined): void {
      clearTimeout(timer);
      options.signal.removeEventListener('abort', stopped);
      socket.off('connect', connected);
      socket.off('error', failed);
      if (failure === undefined) {
        resolve(socket);
        return;
      }
      // A socket that is destroyed while it connects may still report an error to nobody.
      socket.on('error', () => {});
      socket.destroy();
      resolve(failure);
    }
    const connected = () => settle(undefined);

    socket.once('connect', connected);
    socket.once('error', failed);
    options.signal.addEventListener('abort', stopped, { once: true });
  });
}
