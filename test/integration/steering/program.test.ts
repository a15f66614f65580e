/** The whole program in a network namespace: how `--rules` brings connections to its worker threads. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { without } from '../namespaces/puppet.ts';
import { own } from '../namespaces/wire.ts';
import { commandLine, Nuncio } from '../nuncio.ts';
import { dial, SteeringWire } from './bed.ts';

const run = promisify(execFile);

/** Nobody is there: each connection is refused, and the line says what was dialled. */
const registry = 'etcd://127.0.0.1:1';
const args = ['--redirect', '--provider', 'static', '--services', 'web;6379', '--discovery', registry];
const both = [`${own[4]}:`, `[${own[6]}]:`] as const;

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

async function refusesWithWhatWasDialled(wire: SteeringWire, nuncio: Nuncio): Promise<void> {
  const caller = wire.caller();
  for (const [index, ip] of [own[4], own[6]].entries()) {
    for (const port of [80, 6379]) {
      assert.deepEqual(await dial(caller, ip, port), ['ECONNRESET']);
      await nuncio.line(new RegExp(`refused any -> ${escaped(both[index] ?? '')}${port}: `));
    }
  }
}

describe('the program', () => {
  for (const mode of ['auto', 'steer']) {
    it(`steers with --rules=${mode}, and ends with nothing left`, async () => {
      await using wire = new SteeringWire();
      await using nuncio = await Nuncio.startBy(wire.entry, ...args, '--workers', '2', '--rules', mode);
      await nuncio.line(
        /connections are steered at the socket lookup, .* proved by a connection to 127\.0\.0\.1 and ::1/,
      );
      await refusesWithWhatWasDialled(wire, nuncio);
      assert.doesNotMatch(wire.dump(), /nuncio/i);
      assert.equal(wire.tracked(), '');
      // Each worker numbers its connections: of 60 calls one of two gets none once in 10^18.
      await dial(wire.caller(), own[4], 80, 60);
      for (const worker of [1, 2]) await nuncio.line(new RegExp(`"connId":"${worker}-`));
      assert.equal(await nuncio.stop(), 0);
      assert.deepEqual(await dial(wire.caller(), own[4], 80), ['ECONNREFUSED']);
    });
  }

  it('sets nat rules with --rules=nat', async () => {
    await using wire = new SteeringWire();
    await using nuncio = await Nuncio.startBy(wire.entry, ...args, '--rules', 'nat');
    await nuncio.line(/nat rules set by nft/);
    await refusesWithWhatWasDialled(wire, nuncio);
    assert.match(wire.dump(), /table inet nuncio/);
    assert.equal(await nuncio.stop(), 0);
    assert.doesNotMatch(wire.dump(), /nuncio/i);
  });

  for (const [what, prefix, more, why] of [
    ['programs may not be loaded', without(['sys_admin', 'bpf']), [], 'programs may not be loaded'],
    [
      'no worker thread carries connections',
      [],
      ['--data-plane', 'portable'],
      'only the data plane in worker threads can be steered to',
    ],
  ] as const) {
    it(`sets nat rules with --rules=auto where ${what}; one line says why`, async () => {
      await using wire = new SteeringWire();
      await using nuncio = await Nuncio.startBy([...wire.entry, ...prefix], ...args, ...more);
      await nuncio.line(
        new RegExp(`"steering off: ${escaped(why)}.*; the connections are left to nat rules"`),
      );
      await nuncio.line(/nat rules set by nft/);
      await refusesWithWhatWasDialled(wire, nuncio);
    });

    it(`ends with 1 and one line with --rules=steer where ${what}`, async () => {
      await using wire = new SteeringWire();
      const [program = '', ...words] = [...wire.entry, ...prefix, ...commandLine, ...args, ...more];
      const { code, stderr } = await run(program, [...words, '--rules', 'steer'], { timeout: 20_000 }).then(
        () => assert.fail('it ended with 0'),
        (thrown: { code: number; stderr: string }) => thrown,
      );
      assert.equal(code, 1);
      assert.match(stderr, new RegExp(`^nuncio: --rules=steer, but ${escaped(why)}.*\\n$`));
      assert.doesNotMatch(wire.dump(), /nuncio/i);
    });
  }
});
