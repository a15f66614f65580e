import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withBlock } from '../../bench/report/blocks.ts';
import { chart } from '../../bench/report/chart.ts';
import { progressLine } from '../../bench/report/progress.ts';
import { verdicts } from '../../bench/report/ratios.ts';
import {
  figuresTable,
  provenance,
  ratiosTable,
  routesTable,
  shortcomings,
  table,
  targetsTable,
} from '../../bench/report/table.ts';
import { resultsOf } from './results.ts';

const four = { keepaliveRps: 100_000, connPerS: 10_000, gbps1: 20, gbps8: 20 };
const peers = {
  direct: four,
  haproxy: { keepaliveRps: 40_000, p99us: 1000, connPerS: 5000, gbps1: 5, gbps8: 4, rssIdleMb: 10 },
  nginx: { keepaliveRps: 50_000, p99us: 1200, connPerS: 4000, gbps1: 4, gbps8: 5, rssIdleMb: 12 },
};

describe('verdicts', () => {
  it('compare the proxy with the better peer, in each figure by itself', () => {
    const proxy = {
      keepaliveRps: 50_000,
      p99us: 1001,
      connPerS: 4990,
      gbps1: 9,
      gbps8: 11.5,
      rssIdleMb: 89.9,
    };
    const found = verdicts(resultsOf({ ...peers, 'nuncio-proxy': proxy }));
    assert.deepEqual(
      found.map(({ kind, value, isMet }) => [kind.name, Math.round(value * 1000) / 1000, isMet]),
      [
        ['keepaliveRps', 1, true],
        ['p99us', 1.001, false],
        ['connPerS', 0.998, false],
        ['gbps1', 1.8, true],
        ['gbps8', 2.3, true],
        ['rssIdleMb', 89.9, true],
      ],
    );
  });

  it('compare the kernel path with direct', () => {
    const kernel = { keepaliveRps: 97_000, connPerS: 9699, gbps1: 19.4, gbps8: 21 };
    const found = verdicts(resultsOf({ ...peers, 'nuncio-kernel': kernel }));
    assert.deepEqual(
      found.map(({ isMet }) => isMet),
      [true, false, true, true],
    );
  });

  it('are silent on what was not measured', () => {
    assert.deepEqual(verdicts(resultsOf({ direct: four, 'nuncio-proxy': { keepaliveRps: 1 } })), []);
  });
});

describe('tables', () => {
  const results = resultsOf({
    ...peers,
    'nuncio-proxy': {
      keepaliveRps: 60_000,
      p99us: 1500,
      spread: { keepaliveRps: [57_000, 63_000] },
      routes: { 10: { keepaliveRps: 60_000 }, 10000: { keepaliveRps: 54_321 } },
    },
    'nuncio-kernel': { missing: 'this build has no kernel path' },
  });

  it('have columns of equal width, figures to the right', () => {
    assert.equal(
      table([
        ['', 'a'],
        ['µs', '12.5'],
      ]),
      ['|     |    a |', '| --- | ---: |', '| µs  | 12.5 |'].join('\n'),
    );
  });

  it('show every path that was asked for, with its spread', () => {
    const text = figuresTable(results, { withSpread: true });
    assert.match(text, /direct .*HAProxy .*nginx stream .*Nuncio proxy .*Nuncio kernel/);
    assert.match(
      text,
      /keep-alive requests\/s \|\s+100,000 \|\s+40,000 \|\s+50,000 \|\s+60,000 ±5 % \|\s+- \|/,
    );
    const short = figuresTable(results, { withSpread: false, names: ['p99us'] });
    assert.match(short, /p99, µs/);
    assert.doesNotMatch(short, /±|keep-alive/);
  });

  it('show ratios and verdicts', () => {
    assert.match(ratiosTable(results), /keep-alive requests\/s \|\s+1\.20 \|\s+0\.60 \|\s+- \|\s+- \|/);
    assert.match(targetsTable(results), /p99, µs, to the better peer\s+\|\s+1\.500 \|\s+≤ 1 \|\s+missed \|/);
  });

  it('show the effect of routes', () => {
    assert.match(routesTable(results), /Nuncio proxy, 10,000 routes \|\s+54,321 \|/);
    assert.equal(routesTable(resultsOf(peers)), '');
  });

  it('say in words what is behind, what is missing, and what went wrong', () => {
    assert.match(
      shortcomings(results),
      /Behind the better .*: p99, µs \(1\.50 of it\)\.\nTargets: 1 of 2 are missed\./,
    );
    assert.match(provenance(results), /Nuncio kernel is missing: this build has no kernel path\./);
    const failed = { ...results, runs: [{ path: 'nginx', round: 1, part: 'requests', errors: 3 } as const] };
    assert.match(provenance(failed), /Requests that failed: 3;/);
    assert.match(provenance({ ...results, mode: 'quick' }), /a quick run, only good to see/);
  });

  it('claim nothing where nothing was compared', () => {
    const alone = resultsOf({ 'nuncio-proxy': { keepaliveRps: 1 } });
    assert.deepEqual([shortcomings(alone), ratiosTable(alone), targetsTable(alone)], ['', '', '']);
  });

  it('have a line for each run while it goes on', () => {
    const run = { path: 'nginx', round: 2, part: 'requests', keepaliveRps: 1234, errors: 1 } as const;
    assert.match(progressLine(run, 5), /^round 2\/5 {2}nginx .*keep-alive requests\/s 1,234, failed 1$/);
  });
});

describe('chart', () => {
  const svg = chart(resultsOf({ ...peers, 'nuncio-kernel': { missing: 'no' } }));

  it('has a bar for each path and figure, as long as its ratio to direct', () => {
    const bars = [...svg.matchAll(/<rect class="(\S+)" [^>]*width="34" height="([\d.]+)"/g)];
    assert.equal(bars.length, 16);
    const of = (path: string) =>
      bars.filter(([, name]) => name === path).map(([, , height]) => Number(height));
    // 0.4 and 0.5 of the same length.
    assert.ok(Math.abs((of('haproxy')[0] ?? 0) / (of('nginx')[0] ?? 0) - 0.8) < 0.01);
    assert.deepEqual(of('nuncio-kernel'), [0, 0, 0, 0]);
  });

  it('says what was not measured', () => {
    assert.match(svg, /<title>Nuncio kernel, 1 stream: not measured<\/title>/);
    assert.match(svg, /<title>HAProxy, new connections\/s: 0\.50<\/title>/);
  });

  it('escapes what it is told, and has both colour schemes', () => {
    assert.match(svg, /Test &amp; &lt;Co&gt;/);
    assert.match(svg, /prefers-color-scheme: dark/);
  });

  it('keeps a bar that is longer than direct inside', () => {
    const tall = chart(resultsOf({ direct: four, haproxy: { gbps8: 60 } }));
    for (const [, y] of tall.matchAll(/<rect [^>]*\by="([-\d.]+)"/g)) assert.ok(Number(y) >= 30, y);
  });
});

describe("a document's block", () => {
  const begin = '<!-- bench:begin -->';
  const end = '<!-- bench:end -->';

  it('is replaced, and nothing else; twice leaves what once leaves', () => {
    const once = withBlock(`before\n${begin}\nold\n${end}\nafter\n`, 'new');
    assert.equal(once, `before\n${begin}\nnew\n${end}\nafter\n`);
    assert.equal(withBlock(once, 'new'), once);
  });

  for (const text of ['', begin, end + begin, `${begin}${end}${begin}${end}`, `${begin}${end}${end}`]) {
    it(`is an error in "${text}"`, () => {
      assert.throws(() => withBlock(text, 'new'), /needs the marks/);
    });
  }
});
