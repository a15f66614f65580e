import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { metricsText } from '../../../src/admin/metrics.ts';
import type { StatusBoard } from '../../../src/admin/status-board.ts';
import { endpoint } from '../../../src/core/endpoint.ts';
import { BoardBed, redis1, redis2, to } from '../../support/board-bed.ts';
import { gatewayStatus } from '../../support/gateway-status.ts';

const facts = { residentBytes: 1000, cpuSeconds: 1.5, openFiles: 7 };

function textOf(board: StatusBoard): Promise<string> {
  const { isReady, logger } = board;
  return metricsText({ status: board.status(), isReady, problemCounts: logger.counts, facts });
}

/** The samples of an exposition by name and labels; fails where a line is neither comment nor sample, or comes twice. */
function samplesOf(text: string): ReadonlyMap<string, number> {
  const samples = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const parts = /^([a-z_]+(?:\{(?:[a-z]+="(?:[^"\\\n]|\\.)*",?)+\})?) (-?[\d.e+]+)$/.exec(line);
    assert.ok(parts, line);
    const [, name = '', value] = parts;
    assert.ok(!samples.has(name), `twice: ${name}`);
    samples.set(name, Number(value));
  }
  return samples;
}

describe('metricsText', () => {
  it('has the totals, and each endpoint with its backend', async () => {
    await using bed = await BoardBed.start();
    bed.backend('redis', [redis1, redis2], { ejected: ['10.0.0.2:6379'] });
    bed.backend('late', [], { isResolved: false });
    bed.caller('c1', 'web', [
      [6379, to('redis')],
      [80, to('late')],
      [1, { kind: 'refused', code: 'ERR_NO_ROUTE', reason: 'x' }],
    ]);
    bed.carried('redis', '10.0.0.1:6379', {
      active: 2,
      connections: 9,
      failures: 1,
      bytesUp: 3,
      bytesDown: 4,
    });
    Object.assign(bed.counters, { active: 2, served: 7, refused: 5 });
    bed.board.logger.warn('w');
    const samples = samplesOf(await textOf(bed.board));
    const expected = {
      'nuncio_build_info{version="1.2.3",mode="omni mode"}': 1,
      nuncio_ready: 0,
      'nuncio_log_problems_total{level="warn"}': 1,
      'nuncio_log_problems_total{level="error"}': 0,
      nuncio_connections_active: 2,
      nuncio_connections_limit: 1000,
      nuncio_connections_total: 7,
      nuncio_connections_refused_total: 5,
      'nuncio_bytes_total{direction="up"}': 3,
      'nuncio_bytes_total{direction="down"}': 4,
      nuncio_callers: 1,
      'nuncio_routes{state="degraded"}': 1,
      'nuncio_routes{state="waiting"}': 1,
      'nuncio_routes{state="refused"}': 1,
      'nuncio_backends{state="waiting"}': 1,
      'nuncio_endpoints{state="ejected"}': 1,
      'nuncio_backend_endpoints_up{backend="redis"}': 1,
      'nuncio_backend_source_failing{backend="redis"}': 0,
      'nuncio_endpoint_up{backend="redis",endpoint="10.0.0.2:6379"}': 0,
      'nuncio_endpoint_connections_active{backend="redis",endpoint="10.0.0.1:6379"}': 2,
      'nuncio_endpoint_connections_total{backend="redis",endpoint="10.0.0.1:6379"}': 9,
      'nuncio_endpoint_failures_total{backend="redis",endpoint="10.0.0.1:6379"}': 1,
      'nuncio_endpoint_bytes_total{backend="redis",endpoint="10.0.0.1:6379",direction="down"}': 4,
      nuncio_endpoints_without_series: 0,
      process_resident_memory_bytes: 1000,
      process_cpu_seconds_total: 1.5,
      process_open_fds: 7,
      process_start_time_seconds: bed.nowMs / 1000,
    };
    for (const [name, value] of Object.entries(expected)) assert.equal(samples.get(name), value, name);
  });

  it('has the gateway', async () => {
    const { board } = new BoardBed();
    board.showGateway(() => gatewayStatus);
    const samples = samplesOf(await textOf(board));
    const expected = {
      nuncio_registry_failing: 0,
      nuncio_registry_keys_skipped: 1,
      nuncio_http_requests_total: 400,
      'nuncio_application_answers_total{domain="blog.example.com",class="2xx"}': 8,
      'nuncio_application_answers_total{domain="blog.example.com",class="5xx"}': 1,
      'nuncio_application_endpoints_up{domain="blog.example.com"}': 1,
      'nuncio_service_listening{service="mysql",port="3306"}': 0,
      'nuncio_service_connections_total{service="mysql",port="3306"}': 5,
    };
    for (const [name, value] of Object.entries(expected)) assert.equal(samples.get(name), value, name);
  });

  it('has a bounded number of series, whatever the number and length of names', async () => {
    const bed = new BoardBed();
    const long = 'x'.repeat(1000);
    for (let number = 0; number < 1500; number++) {
      bed.backend(`${number}-${long}`, [endpoint(`10.0.${number >> 8}.${number & 255}`, 80)]);
    }
    const text = await textOf(bed.board);
    const samples = samplesOf(text);
    assert.equal(samples.get('nuncio_endpoints_without_series'), 500);
    assert.equal(samples.get('nuncio_endpoints{state="up"}'), 1500);
    assert.ok(samples.size < 8100, `${samples.size} series`);
    assert.doesNotMatch(text, /x{201}/);
  });

  it('adds up backends that share a descriptor, and escapes what a descriptor may hold', async () => {
    const bed = new BoardBed();
    const text = 'file:///a"b\\c';
    bed.backend('k1', [redis1], { text });
    bed.backend('k2', [redis1], { text, options: { balance: 'first' } });
    bed.carried('k1', '10.0.0.1:6379', { connections: 1 });
    bed.carried('k2', '10.0.0.1:6379', { connections: 2 });
    const samples = samplesOf(await textOf(bed.board));
    const name = 'nuncio_endpoint_connections_total{backend="file:///a\\"b\\\\c",endpoint="10.0.0.1:6379"}';
    assert.equal(samples.get(name), 3);
  });
});
