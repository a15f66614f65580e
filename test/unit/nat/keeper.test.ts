import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { RuleKeeper } from '../../../src/nat/keeper.ts';
import type { RuleSet } from '../../../src/nat/rules.ts';
import { FakeMachine, rememberingLogger } from './fake-machine.ts';

const redirect: RuleSet = { kind: 'redirect', proxyPort: 10000, exceptPorts: [] };

/** The keeper is stopped after the test, however that ends: its timer would keep the process alive. */
function bed(t: TestContext, rules: RuleSet = redirect, intervalMs = 3_600_000) {
  const machine = new FakeMachine();
  const logger = rememberingLogger();
  const options = { run: machine.run, system: machine.system, logger, rules, intervalMs };
  const keeper = new RuleKeeper(options);
  t.after(() => keeper.stop(0));
  return { machine, logger, keeper };
}

describe('the keeper of the rules', () => {
  it('leaves alone what is in order', async (t) => {
    const { machine, logger, keeper } = bed(t);
    await keeper.start();
    assert.equal(keeper.report?.method, 'nft');
    const lines = logger.lines.length;
    machine.calls.length = 0;
    assert.equal(await keeper.checkNow(), 'intact');
    assert.deepEqual(machine.calls, ['nft list table inet nuncio']);
    assert.equal(logger.lines.length, lines);
    await keeper.stop(0);
  });

  for (const [what, harm] of [
    ['vanish', () => ''],
    ['are changed', (text: string) => text.replace('dport', 'sport')],
  ] as const) {
    it(`puts rules back that ${what}, with one line`, async (t) => {
      const { machine, logger, keeper } = bed(t);
      await keeper.start();
      const right = machine.tables.get('nft') ?? '';
      machine.tables.set('nft', harm(right));
      assert.equal(await keeper.checkNow(), 'repaired');
      assert.equal(machine.tables.get('nft'), right);
      assert.equal(logger.lines.filter((line) => line.startsWith('warn:')).length, 1);
      assert.equal(await keeper.checkNow(), 'intact');
      await keeper.stop(0);
    });
  }

  it('follows the ports that the host listens on', async (t) => {
    const proxyIps = ['172.17.0.1'];
    const { machine, keeper } = bed(t, {
      kind: 'dnat',
      proxyPort: 10000,
      proxyIps,
      exceptPorts: [],
      takePorts: [],
    });
    await keeper.start();
    machine.listening = [...machine.listening, { ip: '0.0.0.0', port: 22 }];
    assert.equal(await keeper.checkNow(), 'refreshed');
    assert.match(machine.tables.get('nft') ?? '', /dport { 22, 10000 } return/);
    machine.listening = machine.listening.filter(({ port }) => port !== 22);
    assert.equal(await keeper.checkNow(), 'refreshed');
    assert.match(machine.tables.get('nft') ?? '', /dport { 10000 } return/);
    assert.equal(await keeper.checkNow(), 'intact');
    await keeper.stop(0);
  });

  it('says once that it fails, tries on, and says once that all is well again', async (t) => {
    const { machine, logger, keeper } = bed(t);
    await keeper.start();
    const programs = { ...machine.programs };
    for (const name of Object.keys(programs)) machine.programs[name] = 'refused';
    machine.tables.clear();
    for (let round = 0; round < 3; round++) assert.equal(await keeper.checkNow(), 'failed');
    assert.equal(logger.lines.filter((line) => line.startsWith('error:')).length, 1);
    Object.assign(machine.programs, programs);
    assert.equal(await keeper.checkNow(), 'repaired');
    assert.equal(await keeper.checkNow(), 'intact');
    assert.equal(logger.lines.filter((line) => line === 'info: nat rules are in order again').length, 1);
    await keeper.stop(0);
  });

  it('never runs two rounds at once', async (t) => {
    const { machine, keeper } = bed(t);
    await keeper.start();
    machine.calls.length = 0;
    const outcomes = await Promise.all([keeper.checkNow(), keeper.checkNow(), keeper.checkNow()]);
    assert.deepEqual(outcomes, ['intact', 'intact', 'intact']);
    assert.equal(machine.calls.length, 1);
    await keeper.stop(0);
  });

  it('checks by itself', async (t) => {
    const { machine, logger, keeper } = bed(t, redirect, 1);
    const repaired = Promise.withResolvers<void>();
    logger.warn = () => repaired.resolve();
    await keeper.start();
    machine.tables.clear();
    await repaired.promise;
    await keeper.stop(0);
    assert.equal(machine.tables.get('nft') ?? '', '');
  });

  it('removes the rules in the end, and does nothing after that', async (t) => {
    const { machine, keeper } = bed(t);
    await keeper.stop(0);
    assert.deepEqual(machine.calls, [], 'a stop before the start has nothing to do');
    await keeper.start();
    await keeper.stop(0);
    assert.equal(machine.tables.get('nft'), '');
    machine.calls.length = 0;
    await keeper.stop(0);
    assert.equal(await keeper.checkNow(), 'idle');
    assert.deepEqual(machine.calls, []);
  });

  it('leaves nothing where the start fails, or is cut short by a stop', async (t) => {
    const failing = bed(t);
    failing.machine.used = [];
    await assert.rejects(failing.keeper.start(), { code: 'ERR_RULES' });
    assert.ok([...failing.machine.tables.values()].every((text) => text === ''));

    const hasty = bed(t);
    const starting = hasty.keeper.start();
    await hasty.keeper.stop(0);
    await starting.catch(() => {});
    assert.ok([...hasty.machine.tables.values()].every((text) => text === ''));
    assert.equal(await hasty.keeper.checkNow(), 'idle');
  });
});
