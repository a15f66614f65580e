/** The kernel path without a kernel: what it does when the kernel refuses, and whom it has checked. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Endpoint, endpoint } from '../../../src/core/endpoint.ts';
import { AppError } from '../../../src/core/errors.ts';
import { EndpointChecks } from '../../../src/kernel/endpoint-checks.ts';
import { KernelPath, type KernelPathOptions } from '../../../src/kernel/kernel-path.ts';
import { type BackendEntry, RouteTable } from '../../../src/route/table.ts';
import { RecordingLogger } from '../../support/recording-logger.ts';

const one = endpoint('10.0.0.1', 80);

function backend(
  key: string,
  endpoints: readonly Endpoint[],
  rest: Partial<BackendEntry> = {},
): BackendEntry {
  return { key, text: key, options: {}, isResolved: true, endpoints, ejected: [], ...rest };
}

function setUp(maps: Partial<KernelPathOptions['maps']>, surroundings?: KernelPathOptions['surroundings']) {
  const table = new RouteTable();
  const logger = new RecordingLogger();
  const steps: string[] = [];
  const path = new KernelPath({
    routes: table,
    checks: { check: () => {} },
    surroundings:
      surroundings ?? (async () => ({ addresses: new Set(['10.0.0.9']), exceptPorts: new Set() })),
    openNamespace: () => ({
      cookie: 1n,
      isOwn: false,
      hasAddress: () => true,
      socket: () => assert.fail('the proof makes none here'),
      close: () => steps.push('namespace closed'),
    }),
    prove: async () => undefined,
    maps: {
      install: () => 0,
      remove: () => {},
      release: () => {},
      connects: () => [],
      setOwnAddresses: () => {},
      close: () => steps.push('maps closed'),
      ...maps,
    },
    detach: () => steps.push('programs out'),
    logger,
  });
  const call = () => {
    table.apply({ kind: 'backend', backend: backend('set', [one]) });
    const routes = new Map([[80, { kind: 'backend' as const, backendKey: 'set' }]]);
    table.apply({ kind: 'caller', caller: { id: 'a', name: 'a', pid: 7, addresses: ['10.0.0.5'], routes } });
  };
  return { table, logger, steps, path, call };
}

const refuse = (): never => {
  throw new AppError('ERR_SYSCALL', 'bpf(2), setting a value in a map: ENOMEM', {
    errno: 'ENOMEM',
    syscall: 'bpf',
  });
};

describe('the kernel path', () => {
  it('ends where a map cannot be kept true, and the programs go first', async () => {
    const { path, steps, logger, call, table } = setUp({ remove: refuse });
    await path.start();
    call();
    await path.settled(1000);
    assert.deepEqual(path.pathOf('a', 80), { kind: 'kernel' });
    table.apply({ kind: 'backend', backend: backend('set', []) });
    assert.deepEqual(steps, ['programs out', 'namespace closed', 'maps closed']);
    assert.deepEqual(logger.at('error'), [
      'kernel path given up, the proxy serves every route: bpf(2), setting a value in a map: ENOMEM',
    ]);
    assert.deepEqual(path.pathOf('a', 80), {
      kind: 'proxy',
      reason: 'the kernel path has ended',
      isPassing: false,
    });
    assert.deepEqual(path.counters, { routes: 0, connects: [] });
    table.apply({ kind: 'caller-gone', id: 'a' });
    await path.stop();
    assert.equal(steps.length, 3);
  });

  it('does not start where the kernel refuses, and leaves nothing behind', async () => {
    const { path, steps } = setUp({ setOwnAddresses: refuse });
    await assert.rejects(path.start(), { code: 'ERR_SYSCALL' });
    assert.deepEqual(steps, ['programs out', 'maps closed']);
    const unreadable = setUp({}, async () => {
      throw new Error('no such file');
    });
    await assert.rejects(unreadable.path.start(), /no such file/);
    assert.deepEqual(unreadable.steps, ['programs out', 'maps closed']);
  });
});

describe('the checks of endpoints', () => {
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  function checksOf(entries: BackendEntry[]) {
    const asked: string[] = [];
    const checks = new EndpointChecks({
      routes: { backend: (key) => entries.find((entry) => entry.key === key) },
      checks: { check: (owner, list, everyMs) => asked.push(`${owner}: ${list.length} every ${everyMs}`) },
      wanted: () => new Set(entries.map(({ key }) => key)),
    });
    return { checks, told: () => asked.splice(0) };
  }

  it('are asked for once, when everything has been told, and ended', async () => {
    const entries = [backend('set', [one]), backend('other', [one], { options: { sendProxy: 'v1' } })];
    const { checks, told } = checksOf(entries);
    checks.update();
    checks.update();
    assert.deepEqual(told(), []);
    await turn();
    assert.deepEqual(told(), ['kernel set: 1 every 1000']);
    checks.update();
    await turn();
    assert.deepEqual(told(), []);
    entries.splice(0);
    checks.update();
    await turn();
    assert.deepEqual(told(), ['kernel set: 0 every 1000']);
    entries.push(backend('set', [one]));
    checks.update();
    await turn();
    told();
    checks.stop();
    assert.deepEqual(told(), ['kernel set: 0 every 1000']);
    checks.update();
    await turn();
    assert.deepEqual(told(), []);
  });

  it('become rarer where there are very many endpoints', async () => {
    const many = Array.from({ length: 250 }, (_, index) => endpoint(`10.0.1.${index}`, 80));
    const entries = [backend('few', [one])];
    const { checks, told } = checksOf(entries);
    checks.update();
    await turn();
    told();
    entries.push(backend('many', many));
    checks.update();
    await turn();
    assert.deepEqual(told(), ['kernel few: 1 every 2000', 'kernel many: 250 every 2000']);
    entries.pop();
    checks.update();
    await turn();
    assert.deepEqual(told(), ['kernel many: 0 every 2000', 'kernel few: 1 every 1000']);
  });
});
