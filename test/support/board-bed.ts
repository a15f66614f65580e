import type { EndpointTraffic, TrafficSource } from '../../src/admin/sources.ts';
import { StatusBoard } from '../../src/admin/status-board.ts';
import { type Endpoint, endpoint } from '../../src/core/endpoint.ts';
import { EndpointHealth } from '../../src/health/endpoint-health.ts';
import { type BackendEntry, RouteTable, type RouteTarget } from '../../src/route/table.ts';
import { RecordingLogger } from './recording-logger.ts';

/** A board with a real route table and real health; the clock and the traffic are the test's. */
export class BoardBed {
  nowMs = Date.UTC(2026, 0, 1);
  readonly log = new RecordingLogger();
  readonly table = new RouteTable();
  readonly health = new EndpointHealth({ connect: async () => undefined, logger: this.log });
  readonly board = new StatusBoard({
    version: '1.2.3',
    mode: 'omni mode',
    host: 'backends',
    logger: this.log,
    now: () => this.nowMs,
  });
  rows: EndpointTraffic[] = [];
  counters = { active: 0, served: 0, refused: 0 };

  constructor() {
    const traffic: TrafficSource = {
      address: { ip: '::', port: 10_000 },
      kind: 'a test',
      counters: this.counters,
      traffic: () => this.rows,
    };
    this.board.showRoutes(this.table, this.health);
    this.board.showTraffic(traffic, 1000);
  }

  /** One that is started, and stops by itself. */
  static async start(): Promise<BoardBed> {
    const bed = new BoardBed();
    await bed.board.start();
    return bed;
  }

  backend(key: string, endpoints: readonly Endpoint[], more: Partial<BackendEntry> = {}): void {
    const entry = { key, text: key, options: {}, isResolved: true, endpoints, ejected: [] };
    this.table.apply({ kind: 'backend', backend: { ...entry, ...more } });
  }

  caller(
    id: string,
    name: string,
    routes: readonly [number, RouteTarget][],
    addresses = ['172.17.0.5'],
  ): void {
    this.table.apply({ kind: 'caller', caller: { id, name, addresses, routes: new Map(routes) } });
  }

  carried(backend: string, address: string, counts: Partial<EndpointTraffic>): void {
    const none = { active: 0, connections: 0, failures: 0, bytesUp: 0, bytesDown: 0 };
    this.rows = this.rows.filter((row) => row.backend !== backend || row.endpoint !== address);
    this.rows.push({ backend, endpoint: address, ...none, ...counts });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.board.stop();
    this.health.stop();
  }
}

export const to = (backendKey: string): RouteTarget => ({ kind: 'backend', backendKey });
export const redis1 = endpoint('10.0.0.1', 6379, { name: 'redis-1' });
export const redis2 = endpoint('10.0.0.2', 6379, { name: 'redis-2' });
