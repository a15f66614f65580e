import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { canonicalIp } from '../../../src/core/address.ts';
import { interfaceAddresses } from '../../../src/sys/interface-addresses.ts';
import { localAddresses, parseFibTrie, parseIfInet6 } from '../../../src/sys/local-addresses.ts';
import { readSockaddr } from '../../../src/sys/sockaddr.ts';
import { writeSockaddr } from '../../../src/sys/write-sockaddr.ts';

it('an address written as a sockaddr reads back as the same', () => {
  const ip = fc.oneof(fc.ipV4(), fc.ipV6()).map((text) => canonicalIp(text) ?? assert.fail(text));
  fc.assert(
    fc.property(ip, fc.integer({ min: 1, max: 65_535 }), (ip, port) => {
      assert.deepEqual(readSockaddr(writeSockaddr({ ip, port }), ip.includes(':') ? 6 : 4), { ip, port });
    }),
  );
  assert.throws(() => writeSockaddr({ ip: 'name', port: 1 }), RangeError);
});

it('the addresses of an interface are found by its name', async () => {
  assert.deepEqual(await interfaceAddresses('lo'), ['127.0.0.1']);
  assert.deepEqual(await interfaceAddresses('none-such'), []);
  assert.deepEqual(await interfaceAddresses('a-name-that-is-far-too-long'), []);
});

it('the kernel’s list of IPv6 addresses is read, with scope and whether they can be used yet', () => {
  const text =
    '00000000000000000000000000000001 01 80 10 80       lo\n' +
    'fd000000000000000000000000000001 03 40 00 80  docker0\n' +
    'fd000000000000000000000000000002 04 40 00 c0     eth0\n' +
    'fe80000000000000004200fffe5f4a1b 03 40 20 88  docker0\n\n';
  assert.deepEqual(parseIfInet6(text), [
    { interfaceName: 'lo', ip: '::1', scope: 'host', isUsable: true },
    { interfaceName: 'docker0', ip: 'fd00::1', scope: 'global', isUsable: true },
    { interfaceName: 'eth0', ip: 'fd00::2', scope: 'global', isUsable: false },
    { interfaceName: 'docker0', ip: 'fe80::42:ff:fe5f:4a1b', scope: 'link', isUsable: false },
  ]);
});

it('the kernel’s own IPv4 addresses are told from networks and broadcast addresses', () => {
  const text = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 172.17.0.0/16 2 0 2
        |-- 172.17.0.0
           /16 link UNICAST
        |-- 172.17.0.1
           /30 link UNICAST
           /32 host LOCAL
        |-- 172.17.255.255
           /32 link BROADCAST
Local:
     |-- 127.0.0.0
        /8 host LOCAL
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 172.17.0.1
        /32 host LOCAL
`;
  assert.deepEqual(parseFibTrie(text), ['172.17.0.1', '127.0.0.1']);
});

it('the addresses of this machine include loopback', async () => {
  assert.ok((await localAddresses()).includes('127.0.0.1'));
});
