import { once } from 'node:events';
import { createServer } from 'node:net';
import { formatHostPort, type SocketAddress } from '../core/address.ts';
import { AppError, codeOf, messageOf } from '../core/errors.ts';
import { fail, ok, type Result } from '../core/result.ts';

/** A listener in the proxy's place, for as long as a probe takes. */
export interface StandIn {
  /** Whether a connection came, as soon as one has, or the time for it is over. */
  readonly arrived: Promise<boolean>;
  /** Frees the port. */
  close(): Promise<void>;
}

/**
 * Listens on exactly one address: rules that are set up before the ambassador starts can be probed too.
 *
 * @param waitMs how long a connection is waited for
 * @returns a stand-in that nothing ever comes to would be no fault of the rules where the proxy has begun to listen
 *          meanwhile: then one that says so at once
 */
export async function standIn({ ip, port }: SocketAddress, waitMs: number): Promise<Result<StandIn>> {
  const server = createServer((socket) => socket.destroy());
  try {
    server.listen({ host: ip, port, exclusive: true });
    await once(server, 'listening');
  } catch (thrown) {
    if (codeOf(thrown) === 'EADDRINUSE') return ok({ arrived: Promise.resolve(true), close: async () => {} });
    const text = `cannot listen on ${formatHostPort(ip, port)} for the probe: ${messageOf(thrown)}`;
    return fail(new AppError('ERR_RULES', text, { cause: thrown }));
  }
  const arrived = once(server, 'connection', { signal: AbortSignal.timeout(waitMs) }).then(
    () => true,
    () => false,
  );
  return ok({ arrived, close: () => new Promise((resolve) => server.close(() => resolve())) });
}
