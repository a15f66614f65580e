import { type Endpoint, endpoint } from '../../../../src/core/endpoint.ts';
import { defaultLimits } from '../../../../src/proxy/data-plane.ts';
import { Connection } from '../../../../src/proxy/epoll/connection.ts';
import type { FrontContext, OpenConnection, Turn } from '../../../../src/proxy/epoll/context.ts';
import { Counters, makeCounterMemory } from '../../../../src/proxy/epoll/counters.ts';
import { PipePool } from '../../../../src/proxy/epoll/pipe-pool.ts';
import { Reports } from '../../../../src/proxy/epoll/reports.ts';
import { Sockaddrs } from '../../../../src/proxy/epoll/sockaddrs.ts';
import { TimerWheel } from '../../../../src/proxy/epoll/timers.ts';
import { Waiting } from '../../../../src/proxy/epoll/waiting.ts';
import { Watches } from '../../../../src/proxy/epoll/watches.ts';
import { Pickers } from '../../../../src/proxy/pickers.ts';
import { Traffic } from '../../../../src/proxy/traffic.ts';
import { RouteTable } from '../../../../src/route/table.ts';
import { FakeKernel, type FakeSocket } from './fake-kernel.ts';

/** One connection on a kernel that the test plays: both peers, the time, and what goes wrong. */
export class ConnectionBed {
  readonly kernel = new FakeKernel();
  readonly pipes = new PipePool(this.kernel, 2);
  readonly reports: Reports;
  readonly caller: FakeSocket;
  /** Every socket that was dialled, in order. */
  readonly endpoints: FakeSocket[] = [];
  readonly clock = { now: 0 };
  isServed: boolean | undefined;
  readonly connection: Connection;
  readonly #context: FrontContext;
  readonly #turns: Turn[] = [];
  readonly #stale: { fd: number; generation: number; events: number }[] = [];
  readonly #timers = new TimerWheel(0);

  constructor({ endpoints = 2 }: { endpoints?: number } = {}) {
    const { kernel, clock } = this;
    const routes = new RouteTable();
    const pickers = new Pickers(routes);
    const list: Endpoint[] = Array.from({ length: endpoints }, (_, index) =>
      endpoint(`10.0.0.${index + 1}`, 80),
    );
    routes.apply({
      kind: 'backend',
      backend: { key: 'b', text: 'b', options: {}, isResolved: true, endpoints: list, ejected: [] },
    });
    const target = { kind: 'backend' as const, backendKey: 'b' };
    routes.apply({
      kind: 'caller',
      caller: { id: 'c', name: 'c', addresses: ['10.0.0.9'], routes: new Map([[80, target]]) },
    });
    this.reports = new Reports({ front: 1, logsInfo: true }, new Counters(makeCounterMemory(1), 1), clock);
    kernel.onConnect = (socket) => void this.endpoints.push(socket);
    this.#context = {
      lanes: { kernel, pipes: this.pipes, buffer: Buffer.alloc(16), bulkRead: 12 },
      watches: new Watches(kernel),
      timers: this.#timers,
      clock,
      runAgain: (turn) => void this.#turns.push(turn),
      routes,
      pickers,
      traffic: new Traffic(),
      limits: defaultLimits,
      sockaddrs: new Sockaddrs(),
      waiting: new Waiting(() => {}),
      reports: this.reports,
      ended: (_: OpenConnection, isServed: boolean) => {
        if (this.isServed !== undefined) kernel.misuse.push('ended twice');
        this.isServed = isServed;
      },
      faulted: (_, fault) => {
        throw fault;
      },
    };
    this.caller = kernel.newSocket('open');
    this.connection = new Connection(this.#context, {
      fd: this.caller.fd,
      connId: '1',
      callerIp: '10.0.0.9',
      callerPort: 4000,
      destination: { ip: '10.0.0.8', port: 80 },
    });
  }

  get traffic() {
    return this.#context.traffic.rows();
  }

  /** Connections that want another turn without an edge. */
  get turns(): number {
    return this.#turns.length;
  }

  /** The endpoint that is dialled or connected at present. */
  get endpoint(): FakeSocket | undefined {
    return this.endpoints.at(-1);
  }

  /** Delivers the edges that there are, in one round of the loop. */
  round(): void {
    for (const event of this.kernel.takeEvents()) {
      this.#stale.push(event);
      this.#deliver(event);
    }
    for (const turn of this.#turns.splice(0)) turn.pump();
  }

  /** An event once more that was delivered before: its descriptor may be another's by now. */
  replay(index: number): void {
    const event = this.#stale[index % Math.max(1, this.#stale.length)];
    if (event !== undefined && !this.kernel.sockets.has(event.fd)) this.#deliver(event);
  }

  pass(ms: number): void {
    this.clock.now += ms;
    this.#timers.advance(this.clock.now, (entry) => entry.onDeadline());
  }

  /** Lets both peers read all and runs until nothing happens any more. */
  settle(): void {
    this.kernel.fault = () => undefined;
    this.kernel.most = Number.POSITIVE_INFINITY;
    for (let quiet = 0, rounds = 0; quiet < 3; rounds++) {
      if (rounds > 10_000) throw new Error('does not come to rest');
      for (const socket of this.kernel.sockets.values()) this.kernel.peerReads(socket, 1000);
      const before = JSON.stringify(this.#state());
      this.round();
      quiet = JSON.stringify(this.#state()) === before ? quiet + 1 : 0;
    }
  }

  #state(): unknown {
    return [
      [...this.kernel.sockets.values()].map(({ sent, inbox, hasShutDown }) => [
        sent.length,
        inbox.length,
        hasShutDown,
      ]),
      this.isServed,
      this.#turns.length,
    ];
  }

  #deliver({ fd, generation, events }: { fd: number; generation: number; events: number }): void {
    this.#context.watches.find(fd, generation)?.onEdge(fd, events);
  }
}
