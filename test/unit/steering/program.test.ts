/** The program as it is written. What it does is shown on a kernel: test/integration/steering. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { steer } from '../../../src/steering/program.ts';

const maps = { listeners: 7, proof: 8 };

function instructions(exceptPorts: readonly number[]): string[] {
  return steer(maps, exceptPorts).toString('hex').match(/.{16}/g) ?? [];
}

describe('the program', () => {
  // Offsets are those of struct bpf_sk_lookup; a jump's distance is counted from the instruction after it.
  it('is this, for two excepted ports', () => {
    assert.deepEqual(instructions([10_000, 10_001]), [
      'bf16000000000000', // r6 = r1
      '61610c0000000000', // r1 = protocol
      '55012a0006000000', // if r1 != TCP: out
      '61673c0000000000', // r7 = local_port
      '1507280010270000', // if r7 == 10000: out
      '1507270011270000', // if r7 == 10001: out
      '620afcff00000000', // key = 0
      '6161400000000000', // r1 = ingress_ifindex
      '15010f0001000000', // if r1 == loopback: local
      '6161100000000000', // r1 = remote_ip4
      '6162280000000000', // r2 = local_ip4
      '5d21140000000000', // if r1 != r2: assign
      '6161140000000000', // r1 = remote_ip6[0]
      '61622c0000000000', // r2 = local_ip6[0]
      '5d21110000000000', // if r1 != r2: assign
      '6161180000000000', // r1 = remote_ip6[1]
      '6162300000000000', // r2 = local_ip6[1]
      '5d210e0000000000', // if r1 != r2: assign
      '61611c0000000000', // r1 = remote_ip6[2]
      '6162340000000000', // r2 = local_ip6[2]
      '5d210b0000000000', // if r1 != r2: assign
      '6161200000000000', // r1 = remote_ip6[3]
      '6162380000000000', // r2 = local_ip6[3]
      '5d21080000000000', // if r1 != r2: assign
      '1811000008000000', // local: r1 = proof
      '0000000000000000',
      'bfa2000000000000', // r2 = &key
      '07020000fcffffff',
      '8500000001000000', // r0 = map_lookup_elem
      '15000f0000000000', // if r0 == 0: out
      '6101000000000000', // r1 = the port of the proof
      '5d710d0000000000', // if r1 != r7: out
      '1811000007000000', // assign: r1 = listeners
      '0000000000000000',
      'bfa2000000000000', // r2 = &key
      '07020000fcffffff',
      '8500000001000000', // r0 = map_lookup_elem
      '1500070000000000', // if r0 == 0: out
      'bf08000000000000', // r8 = r0
      'bf61000000000000', // r1 = r6
      'bf02000000000000', // r2 = r0
      'b703000000000000', // r3 = 0
      '850000007c000000', // sk_assign
      'bf81000000000000', // r1 = r8
      '8500000056000000', // sk_release
      'b700000001000000', // out: r0 = SK_PASS
      '9500000000000000', // exit
    ]);
  });

  it('grows by one comparison a port, and every one of them leads to the end', () => {
    const [none, many] = [instructions([]), instructions([1, 80, 10_000, 65_535])];
    assert.equal(many.length, none.length + 4);
    const asked = many.slice(4, 8).map((hex) => Buffer.from(hex, 'hex'));
    assert.deepEqual(
      asked.map((bytes) => bytes.readInt32LE(4)),
      [1, 80, 10_000, 65_535],
    );
    const targets = asked.map((bytes, index) => 4 + index + 1 + bytes.readInt16LE(2));
    assert.deepEqual([...new Set(targets)], [many.length - 2]);
  });
});
