import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { canonicalIp } from '../../../src/core/address.ts';
import { proxyHeader } from '../../../src/proxy/proxy-header.ts';
import { readSockaddr } from '../../../src/sys/sockaddr.ts';

const caller = { ip: '172.17.0.5', port: 49_152 };
const dialled = { ip: '172.17.0.2', port: 6379 };
const caller6 = { ip: 'fd00::5', port: 49_152 };
const dialled6 = { ip: '2001:db8:1:2:3:4:5:6', port: 6379 };

describe('proxyHeader', () => {
  it('writes version 1 as a line', () => {
    assert.equal(
      proxyHeader('v1', caller, dialled).toString(),
      'PROXY TCP4 172.17.0.5 172.17.0.2 49152 6379\r\n',
    );
    assert.equal(
      proxyHeader('v1', caller6, dialled6).toString(),
      'PROXY TCP6 fd00::5 2001:db8:1:2:3:4:5:6 49152 6379\r\n',
    );
  });

  it('writes version 2 for IPv4', () => {
    const expected = '0d0a0d0a000d0a515549540a 21 11 000c ac110005 ac110002 c000 18eb';
    assert.equal(proxyHeader('v2', caller, dialled).toString('hex'), expected.replaceAll(' ', ''));
  });

  it('writes any IPv6 address in version 2', () => {
    const address = fc.ipV6().map((text) => canonicalIp(text) ?? '');
    fc.assert(
      fc.property(
        address.filter((ip) => ip.includes(':')),
        (ip) => {
          const header = proxyHeader('v2', { ip, port: 1 }, dialled6);
          assert.equal(header.length, 16 + 36);
          assert.equal(header.readUInt16BE(14), 36);
          const sockaddr = Buffer.alloc(28);
          header.copy(sockaddr, 8, 16, 32);
          assert.equal(readSockaddr(sockaddr, 6).ip, ip);
        },
      ),
    );
  });
});
