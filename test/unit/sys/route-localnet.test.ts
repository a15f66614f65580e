import assert from 'node:assert/strict';
import { endianness } from 'node:os';
import { test } from 'node:test';
import { setLinkRequest } from '../../../src/sys/route-localnet.ts';

test('the request is header, link, and three attributes in one another', {
  skip: endianness() !== 'LE',
}, () => {
  const expected = [
    '34000000 1300 0500 01000000 00000000', // 52 bytes, RTM_SETLINK, REQUEST and ACK, sequence 1
    '00 00 0000 07000000 00000000 00000000', // interface 7
    '1400 1a80', // AF_SPEC, nested
    '1000 0280', // AF_INET, nested
    '0c00 0180', // CONF, nested
    '0800 1a00', // ROUTE_LOCALNET
  ];
  const hex = expected.join('').replaceAll(' ', '');
  assert.equal(setLinkRequest(7, true).toString('hex'), `${hex}01000000`);
  assert.equal(setLinkRequest(7, false).toString('hex'), `${hex}00000000`);
});
