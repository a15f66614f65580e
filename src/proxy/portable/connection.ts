import type { Socket } from 'node:net';
import { formatHostPort, type SocketAddress } from '../../core/address.ts';
import { endpointKey } from '../../core/endpoint.ts';
import type { Logger } from '../../core/log.ts';
import type { DataPlaneLimits, DialReport } from '../data-plane.ts';
import { type FindRouteOptions, findRoute } from '../find-route.ts';
import type { Pickers } from '../pickers.ts';
import { proxyHeader } from '../proxy-header.ts';
import type { Traffic } from '../traffic.ts';
import { dial } from './dial.ts';
import { relay } from './relay.ts';

export interface ConnectionOptions extends FindRouteOptions, DataPlaneLimits {
  readonly health: DialReport;
  readonly pickers: Pickers;
  readonly traffic: Traffic;
  readonly logger: Logger;
}

/** A connection as it was accepted: the socket is paused, and whoever serves it closes it. */
export interface Accepted {
  readonly socket: Socket;
  readonly connId: string;
  /** Canonical address of the caller. */
  readonly callerIp: string;
  /** What the caller dialled. */
  readonly destination: SocketAddress;
}

/**
 * The way of one connection: caller and route, endpoint, dial, relay, one log line at its end.
 * A connection that cannot be served is reset at once. Never rejects; when it resolves, every socket is closed.
 *
 * @returns whether bytes could be relayed
 */
export async function serve(
  accepted: Accepted,
  options: ConnectionOptions,
  signal: AbortSignal,
): Promise<boolean> {
  const { socket, connId, callerIp, destination } = accepted;
  const begun = performance.now();
  // Until the relay takes over, an error of the caller's socket only means that the caller has gone.
  const ignore = () => {};
  socket.on('error', ignore);

  function refuse(caller: string, code: string, reason: string): false {
    socket.resetAndDestroy();
    const to = formatHostPort(destination.ip, destination.port);
    options.logger.warn(`refused ${caller} -> ${to}: ${reason}`, { caller, destination: to, connId, code });
    return false;
  }

  const route = await findRoute(callerIp, destination.port, options, signal);
  if (route.kind === 'unknown-caller') {
    return refuse(callerIp, 'ERR_UNKNOWN_CALLER', `no running container has the address ${callerIp}`);
  }
  const caller = route.caller.name;
  if (route.kind === 'refused') return refuse(caller, route.code, route.reason);

  const { backend } = route;
  const dialBegun = performance.now();
  const dialled = await dial(options.pickers.of(backend), {
    connectTimeoutMs: backend.options.connectTimeoutMs ?? options.connectTimeoutMs,
    dialBudgetMs: options.dialBudgetMs,
    keepAliveMs: options.keepAliveMs,
    active: options.pickers.active,
    onFailure: (endpoint, code) => {
      options.health.failed(endpoint, code);
      const text = endpointKey(endpoint);
      options.traffic.of(backend.key, text).failures++;
      options.logger.info(`endpoint ${text} of ${backend.text}: ${code}`, {
        caller,
        backend: backend.text,
        endpoint: text,
        connId,
        code,
      });
    },
    signal,
  });
  if (!dialled.ok) {
    const problem = backend.problem === undefined ? '' : ` (${backend.problem})`;
    return refuse(caller, dialled.error.code, `${backend.text}: ${dialled.error.message}${problem}`);
  }

  const { endpoint, socket: upstream } = dialled.value;
  if (socket.destroyed) {
    upstream.resetAndDestroy();
    return refuse(caller, 'ECONNRESET', 'the caller has gone');
  }
  const connectMs = performance.now() - dialBegun;
  options.health.succeeded(endpoint);
  const done = options.pickers.begin(endpoint);
  const tally = options.traffic.of(backend.key, endpointKey(endpoint));
  tally.connections++;
  tally.active++;
  socket.setKeepAlive(true, options.keepAliveMs);
  socket.off('error', ignore);
  const { sendProxy } = backend.options;
  if (sendProxy !== undefined) {
    const from = { ip: callerIp, port: socket.remotePort ?? 0 };
    upstream.write(proxyHeader(sendProxy, from, destination));
  }
  const outcome = await relay(socket, upstream, { halfClosedMs: options.halfClosedMs, tally, signal });
  tally.active--;
  done();
  options.logger.info('connection', {
    caller,
    destination: formatHostPort(destination.ip, destination.port),
    backend: backend.text,
    endpoint: endpointKey(endpoint),
    connId,
    bytesUp: outcome.bytesUp,
    bytesDown: outcome.bytesDown,
    connectMs: rounded(connectMs),
    totalMs: rounded(performance.now() - begun),
    end: outcome.end,
    ...(outcome.code === undefined ? {} : { code: outcome.code }),
  });
  return true;
}

/** Milliseconds with three decimals. */
function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
