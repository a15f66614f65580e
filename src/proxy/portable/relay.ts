import type { Socket } from 'node:net';
import { codeOf } from '../../core/errors.ts';
import type { RelayEnd } from '../relay-end.ts';
import type { Tally } from '../traffic.ts';

export interface RelayOutcome {
  /** Bytes from the caller to the endpoint. */
  readonly bytesUp: number;
  /** Bytes from the endpoint to the caller. */
  readonly bytesDown: number;
  readonly end: RelayEnd;
  /** Code of the error that broke a side: "ECONNRESET". */
  readonly code?: string;
}

export interface RelayOptions {
  /** How long a connection with one side ended may be silent, ms. */
  readonly halfClosedMs: number;
  /** Bytes are added to it as they pass. */
  readonly tally: Pick<Tally, 'bytesUp' | 'bytesDown'>;
  readonly signal: AbortSignal;
}

/**
 * Carries bytes both ways until both sides have ended, or one breaks. The end of one direction (FIN) passes through and
 * leaves the other open; a reset is passed on as a reset. A reader that does not keep up stops the reading of the
 * other side, so no more than the sockets' own buffers is ever held.
 *
 * Takes both sockets over: when the promise is settled, both are closed. Never rejects.
 */
export function relay(caller: Socket, endpoint: Socket, options: RelayOptions): Promise<RelayOutcome> {
  return new Promise((resolve) => {
    let end: RelayEnd = 'closed';
    let code: string | undefined;
    let open = 2;

    function broken(side: Socket, reason: RelayEnd, errorCode?: string): void {
      if (end === 'closed') {
        end = reason;
        code = errorCode;
      }
      const other = side === caller ? endpoint : caller;
      if (!other.destroyed) other.resetAndDestroy();
    }

    function stop(): void {
      broken(caller, 'stopped');
      broken(endpoint, 'stopped');
    }

    function copy(from: Socket, to: Socket, reset: RelayEnd, bytes: 'bytesUp' | 'bytesDown'): void {
      from.on('data', (chunk: Buffer) => {
        options.tally[bytes] += chunk.length;
        if (!to.write(chunk)) from.pause();
      });
      to.on('drain', () => from.resume());
      from.on('end', () => {
        to.end();
        // conntrack forgets a half-closed connection after 60 s (nf_conntrack_tcp_timeout_close_wait); behind a
        // REDIRECT the rest of it would then go to nobody. So whoever is still to speak has less than that.
        to.setTimeout(options.halfClosedMs, () => {
          broken(from, 'half-closed-timeout');
          broken(to, 'half-closed-timeout');
        });
      });
      from.on('error', (error) => broken(from, reset, codeOf(error)));
      from.on('close', () => {
        if (!from.readableEnded || !from.writableFinished) broken(from, reset);
        if (--open > 0) return;
        options.signal.removeEventListener('abort', stop);
        const bytes = { bytesUp: caller.bytesRead, bytesDown: endpoint.bytesRead };
        resolve({ ...bytes, end, ...(code === undefined ? {} : { code }) });
      });
    }

    copy(caller, endpoint, 'reset-by-caller', 'bytesUp');
    copy(endpoint, caller, 'reset-by-endpoint', 'bytesDown');
    options.signal.addEventListener('abort', stop, { once: true });
    if (options.signal.aborted) stop();
    caller.resume();
    endpoint.resume();
  });
}
