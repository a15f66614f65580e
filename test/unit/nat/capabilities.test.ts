import assert from 'node:assert/strict';
import { it } from 'node:test';
import { hasCapabilities } from '../../../src/nat/capabilities.ts';

const cases: readonly [what: string, capEff: string, expected: boolean][] = [
  ['root', '000001ffffffffff', true],
  ['NET_ADMIN alone', '0000000000001000', true],
  ['a container as Docker starts it', '00000000a80425fb', false],
  ['an ordinary user', '0000000000000000', false],
];

for (const [what, capEff, expected] of cases) {
  it(`${what} ${expected ? 'may' : 'may not'} set rules`, () => {
    const status = `Name:\tnode\nCapPrm:\t000001ffffffffff\nCapEff:\t${capEff}\nCapBnd:\t000001ffffffffff\n`;
    assert.equal(hasCapabilities(status, ['NET_ADMIN']), expected);
  });
}

it('a status without the line gives no right', () =>
  assert.equal(hasCapabilities('Name:\tnode\n', ['NET_ADMIN']), false));
