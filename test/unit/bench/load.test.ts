import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cpuSecondsOf, megabytesOf, usageOf } from '../../bench/bed/usage.ts';
import { parseIperf } from '../../bench/load/iperf.ts';
import { parseWrk } from '../../bench/load/wrk.ts';

const wrkText = `Running 4s test @ http://10.214.0.4:8080/small
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   280.15us   90.32us   2.91ms   81.10%
    Req/Sec    88.51k     3.05k   93.12k    70.00%
  Latency Distribution
     50%  279.00us
     75%  310.00us
     90%    1.20ms
     99%    2.05ms
  352104 requests in 4.00s, 55.41MB read
Requests/sec:  88021.37
Transfer/sec:     13.85MB
`;

describe("wrk's report", () => {
  it('is read: rate, count, percentiles in µs', () => {
    assert.deepEqual(parseWrk(wrkText), {
      requestsPerS: 88021.37,
      requests: 352104,
      p50us: 279,
      p99us: 2050,
      errors: 0,
    });
  });

  it('counts every kind of failure', () => {
    const text = wrkText.replace(
      'Requests/sec',
      '  Socket errors: connect 1, read 20, write 300, timeout 4000\n  Non-2xx or 3xx responses: 50000\nRequests/sec',
    );
    assert.equal(parseWrk(text).errors, 54321);
  });

  it('has percentiles of seconds and minutes', () => {
    const text = wrkText.replace('279.00us', '1.50s').replace('2.05ms', '1.00m');
    assert.deepEqual([parseWrk(text).p50us, parseWrk(text).p99us], [1_500_000, 60_000_000]);
  });

  for (const part of ['Requests/sec', 'requests in', '99%']) {
    it(`without "${part}" is an error, not a zero`, () => {
      assert.throws(() => parseWrk(wrkText.replace(part, 'nothing')), /wrk: no/);
    });
  }
});

describe("iperf3's report", () => {
  const end = {
    sum_sent: { bits_per_second: 9e9, bytes: 9 },
    sum_received: { bits_per_second: 8.5e9, bytes: 4.25e9 },
  };
  const connected = ['10.0.0.3', '::ffff:10.0.0.3', '10.0.0.2'].map((ip) => ({ remote_host: ip }));

  it('is read: what arrived, and from where', () => {
    const text = JSON.stringify({ end, server_output_json: { start: { connected } } });
    assert.deepEqual(parseIperf(text), { gbps: 8.5, bytes: 4.25e9, sources: ['10.0.0.3', '10.0.0.2'] });
  });

  it('of an error is one', () => {
    const text = JSON.stringify({ end: {}, error: 'unable to connect to server: Connection refused' });
    assert.throws(() => parseIperf(text), /unable to connect to server/);
  });

  it('without an end is an error', () => {
    assert.throws(() => parseIperf('{"intervals":[]}'), /without end\.sum_received/);
    assert.throws(() => parseIperf(JSON.stringify({ end })), /without the server's connections/);
  });
});

describe('usage', () => {
  it('reads CPU time behind a name with spaces and brackets', () => {
    const stat = `42 (a b) c) S ${Array.from({ length: 10 }, () => 0).join(' ')} 150 250 0 0 20 0 1 0 1 1 1`;
    assert.equal(cpuSecondsOf(stat), 4);
    assert.throws(() => cpuSecondsOf('42 (short) S'), /no utime/);
  });

  it('reads sizes, and only the one of that name', () => {
    assert.equal(megabytesOf('VmHWM:\t 4096 kB\nVmRSS:\t    2048 kB\n', 'VmRSS'), 2);
    assert.throws(() => megabytesOf('VmHWM:\t 4096 kB\n', 'VmRSS'), /no VmRSS/);
  });

  it('of this process is there', async () => {
    const usage = await usageOf(process.pid);
    assert.ok(usage.rssMb > 10 && usage.pssMb > 0, JSON.stringify(usage));
    const { user, system } = process.cpuUsage();
    assert.ok(usage.cpuSeconds > 0 && usage.cpuSeconds <= (user + system) / 1e6 + 0.1, JSON.stringify(usage));
  });
});
