import { formatHostPort } from '../../core/address.ts';
import { endpointKey } from '../../core/endpoint.ts';
import type { BackendEntry } from '../../route/table.ts';
import { EPOLLERR, EPOLLHUP, EPOLLOUT } from '../../sys/epoll.ts';
import { errnoName } from '../../sys/libc.ts';
import { errnos } from '../../sys/sockets.ts';
import { proxyHeader } from '../proxy-header.ts';
import type { RelayEnd } from '../relay-end.ts';
import type { Tally } from '../traffic.ts';
import type { Accepted, FrontContext, OpenConnection } from './context.ts';
import { dial, dialFailed } from './dial.ts';
import { Dialling } from './dialling.ts';
import { Side } from './lane.ts';
import { noteEdge, Relay } from './relay.ts';
import type { Timed } from './timers.ts';
import type { Watcher } from './watches.ts';

/** Connections that live longer than this have their keepalive set, ms; most do not, and it costs eight system calls. */
const keepAliveAfterMs = 2000;
/** The main thread answers after 1 s at most; this is for one that does not. */
const callerWaitMs = 5000;

/**
 * One connection: caller and route, endpoint, dial, relay, one log line at its end. It owns the descriptors of both
 * sides from `begin` on and closes each once. A connection that cannot be served is reset at once.
 */
export class Connection implements Watcher, Timed, OpenConnection {
  deadline = 0;
  slot = -1;
  next: Timed | undefined = undefined;
  previous: Timed | undefined = undefined;
  /** The address or backend key that it waits for. */
  waitsFor: string | undefined = undefined;
  readonly accepted: Accepted;
  readonly #context: FrontContext;
  readonly #caller: Side;
  readonly #begun: number;
  #callerName: string;
  #hasAsked = false;
  #hasWaited = false;
  #isClosed = false;
  #dialling: Dialling | undefined;
  #endpoint: Side | undefined;
  #relay: Relay | undefined;
  #tally: Tally | undefined;
  #countOut: (() => void) | undefined;
  #connectMs = 0;
  #lastEdge = 0;

  constructor(context: FrontContext, accepted: Accepted) {
    this.#context = context;
    this.accepted = accepted;
    this.#caller = new Side(accepted.fd, true);
    this.#callerName = accepted.callerIp;
    this.#begun = context.clock.now;
  }

  begin(): void {
    const failed = this.#context.watches.add(this.#caller.fd, this);
    if (failed < 0) this.#refuse('ERR_SYSCALL', `epoll_ctl: ${errnoName(-failed)}`);
    else this.#route();
  }

  /** What it has waited for has come, or will not. */
  wake(): void {
    this.#context.timers.clear(this);
    this.#context.waiting.remove(this);
    try {
      this.#route();
    } catch (fault) {
      this.#context.faulted(this, fault);
    }
  }

  onDeadline(): void {
    if (this.waitsFor !== undefined) this.wake();
    else if (this.#relay !== undefined) this.#relayDeadline(this.#relay);
    else if (this.#dialling !== undefined) this.#dialFailed(errnos.ETIMEDOUT);
  }

  onEdge(fd: number, events: number): void {
    const side = fd === this.#caller.fd ? this.#caller : this.#endpoint;
    if (side?.fd !== fd || this.#isClosed) return;
    noteEdge(side, events);
    if (this.#relay !== undefined) {
      this.#lastEdge = this.#context.clock.now;
      this.pump();
    } else if (side === this.#caller) {
      if (side.hasFailed) this.#refuse('ECONNRESET', 'the caller has gone');
    } else if ((events & (EPOLLERR | EPOLLHUP)) !== 0) {
      this.#dialFailed(this.#context.lanes.kernel.takeError(fd) || errnos.ECONNRESET);
    } else if ((events & EPOLLOUT) !== 0) {
      this.#connected(side);
    }
  }

  /** Moves what can be moved. */
  pump(): void {
    const relay = this.#relay;
    if (relay === undefined || this.#isClosed) return;
    const wasHalfClosed = relay.isHalfClosed;
    switch (relay.pump()) {
      case 'again':
        this.#context.runAgain(this);
        break;
      case 'closed':
        this.#ended('closed');
        return;
      case 'broken': {
        const end = relay.brokenSide === this.#caller ? 'reset-by-caller' : 'reset-by-endpoint';
        this.#ended(end, relay.errno, relay.brokenSide);
        return;
      }
    }
    // conntrack forgets a half-closed connection after 60 s (nf_conntrack_tcp_timeout_close_wait); behind a REDIRECT the
    // rest of it would then go to nobody. So whoever is still to speak has less than that.
    if (relay.isHalfClosed && !wasHalfClosed) this.#wakeIn(this.#context.limits.halfClosedMs);
  }

  cutOff(): void {
    if (this.#relay !== undefined) this.#ended('stopped');
    else this.#refuse('ECANCELED', 'the ambassador is stopping');
  }

  /** After a fault of our own: whatever state it is in, its descriptors are closed. */
  abandon(): void {
    if (!this.#isClosed) this.#close(undefined);
  }

  #wakeIn(ms: number): void {
    this.#context.timers.set(this, this.#context.clock.now + ms);
  }

  #route(): void {
    const { routes, waiting, limits } = this.#context;
    const { callerIp, destination } = this.accepted;
    const route = routes.find(callerIp, destination.port);
    if (route.kind === 'unknown-caller') {
      if (this.#hasAsked) {
        this.#refuse('ERR_UNKNOWN_CALLER', `no running container has the address ${callerIp}`);
        return;
      }
      this.#hasAsked = true;
      this.#wakeIn(callerWaitMs);
      waiting.forCaller(this, callerIp);
      return;
    }
    this.#callerName = route.caller.name;
    if (route.kind === 'refused') {
      this.#refuse(route.code, route.reason);
    } else if (!route.backend.isResolved && !this.#hasWaited) {
      this.#hasWaited = true;
      this.#wakeIn(limits.resolveWaitMs);
      waiting.forBackend(this, route.backend.key);
    } else {
      this.#dial(route.backend);
    }
  }

  #dial(backend: BackendEntry): void {
    const { pickers, clock, limits } = this.#context;
    this.#dialling = new Dialling(backend, pickers, clock.now, limits.dialBudgetMs);
    this.#dialNext(this.#dialling);
  }

  #dialNext(dialling: Dialling): void {
    const { clock, limits, timers } = this.#context;
    for (;;) {
      const endpoint = dialling.next(clock.now);
      if (endpoint === undefined) {
        const { backend, error } = dialling;
        const problem = backend.problem === undefined ? '' : ` (${backend.problem})`;
        this.#refuse(error.code, `${backend.text}: ${error.message}${problem}`);
        return;
      }
      const fd = dial(this.#context, endpoint, this.#caller.fd, this);
      if (fd >= 0) {
        this.#endpoint = new Side(fd, false);
        const timeoutMs = dialling.backend.options.connectTimeoutMs ?? limits.connectTimeoutMs;
        timers.set(this, Math.min(clock.now + timeoutMs, dialling.deadline));
        return;
      }
      dialFailed(this.#context, dialling, -fd, this.#callerName, this.accepted.connId);
    }
  }

  #dialFailed(errno: number): void {
    const dialling = this.#dialling;
    if (dialling?.endpoint === undefined) return;
    this.#context.timers.clear(this);
    this.#closeEndpoint(false);
    dialFailed(this.#context, dialling, errno, this.#callerName, this.accepted.connId);
    this.#dialNext(dialling);
  }

  #connected(upstream: Side): void {
    const dialling = this.#dialling;
    if (dialling?.endpoint === undefined) return;
    const { clock, lanes, pickers, traffic, reports } = this.#context;
    const { endpoint, backend } = dialling;
    this.#connectMs = clock.now - dialling.begun;
    this.#lastEdge = clock.now;
    reports.dialSucceeded(endpoint);
    this.#countOut = pickers.begin(endpoint);
    const tally = traffic.of(backend.key, endpointKey(endpoint));
    tally.connections++;
    tally.active++;
    this.#tally = tally;
    this.#relay = new Relay(lanes, this.#caller, upstream, tally);
    const { sendProxy } = backend.options;
    if (sendProxy !== undefined) {
      const { callerIp: ip, callerPort: port, destination } = this.accepted;
      this.#relay.up.sendFirst(proxyHeader(sendProxy, { ip, port }, destination));
    }
    this.#wakeIn(keepAliveAfterMs);
    this.pump();
  }

  #relayDeadline(relay: Relay): void {
    const { clock, limits, lanes, timers } = this.#context;
    if (!relay.isHalfClosed) {
      const idleS = Math.max(1, Math.ceil(limits.keepAliveMs / 1000));
      lanes.kernel.setKeepAlive(this.#caller.fd, idleS);
      if (this.#endpoint !== undefined) lanes.kernel.setKeepAlive(this.#endpoint.fd, idleS);
      return;
    }
    const until = this.#lastEdge + limits.halfClosedMs;
    if (until > clock.now) timers.set(this, until);
    else this.#ended('half-closed-timeout');
  }

  #refuse(code: string, reason: string): void {
    const { destination, connId } = this.accepted;
    const caller = this.#callerName;
    const to = formatHostPort(destination.ip, destination.port);
    this.#close(undefined);
    this.#context.reports.line('warn', `refused ${caller} -> ${to}: ${reason}`, {
      caller,
      destination: to,
      connId,
      code,
    });
  }

  #ended(end: RelayEnd, errno = 0, brokenSide?: Side): void {
    const relay = this.#relay;
    const dialling = this.#dialling;
    if (this.#isClosed || relay === undefined || dialling?.endpoint === undefined) return;
    this.#close(end, brokenSide);
    const { reports, clock } = this.#context;
    if (!reports.logsInfo) return;
    const { destination, connId } = this.accepted;
    const fields = {
      caller: this.#callerName,
      destination: formatHostPort(destination.ip, destination.port),
      backend: dialling.backend.text,
      endpoint: endpointKey(dialling.endpoint),
      connId,
      bytesUp: relay.up.moved,
      bytesDown: relay.down.moved,
      connectMs: rounded(this.#connectMs),
      totalMs: rounded(clock.now - this.#begun),
      end,
    };
    reports.connection(errno === 0 ? fields : { ...fields, code: errnoName(errno) });
  }

  /** @param end how the relay ended; undefined where there was none */
  #close(end: RelayEnd | undefined, brokenSide?: Side): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { timers, waiting, watches, lanes } = this.#context;
    timers.clear(this);
    waiting.remove(this);
    this.#relay?.release();
    const isReset = end !== 'closed';
    watches.forget(this.#caller.fd);
    if (isReset && brokenSide !== this.#caller) lanes.kernel.reset(this.#caller.fd);
    else lanes.kernel.close(this.#caller.fd);
    this.#closeEndpoint(isReset && brokenSide !== this.#endpoint);
    this.#countOut?.();
    if (this.#tally !== undefined) this.#tally.active--;
    this.#context.ended(this, end !== undefined);
  }

  #closeEndpoint(isReset: boolean): void {
    if (this.#endpoint === undefined) return;
    const { fd } = this.#endpoint;
    this.#endpoint = undefined;
    this.#context.watches.forget(fd);
    if (isReset) this.#context.lanes.kernel.reset(fd);
    else this.#context.lanes.kernel.close(fd);
  }
}

/** Milliseconds with three decimals. */
function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
