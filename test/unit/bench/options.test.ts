import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Options, readOptions } from '../../bench/options.ts';
import { containers } from '../../bench/paths/containers.ts';

function options(...argv: readonly string[]): Options {
  const read = readOptions(argv);
  assert.ok(read !== 'help' && !('problems' in read), JSON.stringify(read));
  return read;
}

function problems(...argv: readonly string[]): readonly string[] {
  const read = readOptions(argv);
  assert.ok(read !== 'help' && 'problems' in read, JSON.stringify(read));
  return read.problems;
}

describe("the benchmark's arguments", () => {
  it('mean everything where there are none', () => {
    const { mode, rounds, parts, paths, isPublished } = options();
    assert.deepEqual([mode, rounds, parts.length, paths.length, isPublished], ['full', 5, 6, 6, true]);
  });

  it('leave one path out of a quick run, which has two minutes', () => {
    assert.equal(options('--quick').paths.includes('nuncio-nat'), false);
    assert.deepEqual(options('--quick', '--paths=nuncio-nat').paths, ['nuncio-nat']);
  });

  it('choose parts and paths, in the usual order', () => {
    assert.deepEqual(options('--only', 'memory,requests').parts, ['requests', 'memory']);
    assert.deepEqual(options('--paths=nuncio-proxy,direct').paths, ['direct', 'nuncio-proxy']);
  });

  it('let only a whole run change the documents, unless --save asks for it', () => {
    const partial = [
      ['--quick'],
      ['--only', 'start'],
      ['--paths', 'direct'],
      ['--nuncio=--log-level warn'],
    ] as const;
    for (const argv of partial) {
      assert.equal(options(...argv).isPublished, false, argv.join(' '));
      assert.equal(options(...argv, '--save').isPublished, true, argv.join(' '));
    }
  });

  it('pass arguments on to nuncio', () => {
    assert.deepEqual(options('--nuncio=--log-level warn').nuncioArguments, ['--log-level', 'warn']);
  });

  it('are refused with everything that is wrong', () => {
    assert.deepEqual(problems('--only', 'speed', '--rounds', '0', 'please', '--fast'), [
      'please: there is no such argument',
      '--fast: there is no such argument',
      '--rounds: a whole number from 1 to 100 is expected, not "0"',
      '--only: "speed" is none of requests, connections, streams, memory, start, routes',
    ]);
  });

  it('ask for the usage', () => {
    assert.equal(readOptions(['--help', '--nonsense']), 'help');
  });
});

describe("the benchmark's containers", () => {
  const caller = { namespace: 'c', ip: '10.214.0.2' };
  const backend = { namespace: 'b', ip: '10.214.0.4' };

  for (const [routes, expected] of [
    [10, 1],
    [150, 2],
    [10_000, 100],
  ] as const) {
    it(`have ${routes} routes in all, each with a backend of its own`, () => {
      const all = containers(caller, backend, 7, routes);
      const endpoints = all
        .flatMap((container) => container.env ?? [])
        .map((text) => text.split('=')[1] ?? '');
      assert.equal(all.length, expected);
      assert.equal(endpoints.length, routes);
      assert.equal(new Set(endpoints).size, routes);
      assert.equal(new Set(all.map((container) => container.ip)).size, expected);
      for (const endpoint of endpoints) assert.match(endpoint, /^10\.214\.(\d|[1-9]\d|1\d\d)\.\d+:\d+$/);
    });
  }

  it('begin with the caller, whose process is known', () => {
    const [first, second] = containers(caller, backend, 7, 200);
    assert.deepEqual([first?.ip, first?.pid, second?.pid], [caller.ip, 7, undefined]);
    assert.ok(first?.env?.includes('BACKEND_8080=10.214.0.4:8080'));
  });
});
