import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { canonicalIp } from '../../../src/core/address.ts';
import { redirectedDestination } from '../../../src/proxy/portable/destination.ts';
import { loadLibc } from '../../../src/sys/libc.ts';
import { openFilesLimit } from '../../../src/sys/limits.ts';
import { readSockaddr } from '../../../src/sys/sockaddr.ts';

describe('readSockaddr', () => {
  it('reads sockaddr_in', () => {
    const bytes = Buffer.from('02001ec3ac1100020000000000000000', 'hex');
    assert.deepEqual(readSockaddr(bytes, 4), { ip: '172.17.0.2', port: 7875 });
  });

  it('reads any sockaddr_in6 in the canonical form', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(65_535), (address, port) => {
        const bytes = Buffer.alloc(28);
        bytes.writeUInt16BE(port, 2);
        bytes.set(address, 8);
        const read = readSockaddr(bytes, 6);
        assert.equal(read.port, port);
        assert.equal(canonicalIp(read.ip), read.ip);
      }),
    );
    const bytes = Buffer.alloc(28);
    bytes.set(Buffer.from('20010db8000000000000000000000001', 'hex'), 8);
    assert.equal(readSockaddr(bytes, 6).ip, '2001:db8::1');
  });
});

describe('redirectedDestination', () => {
  it("is a socket's own address where nothing was redirected", async () => {
    const read = redirectedDestination(await loadLibc());
    for (const host of ['127.0.0.1', '::1']) {
      const server = createServer().listen(0, host);
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const call = connect(port, host);
      const [socket] = await once(server, 'connection');
      assert.deepEqual(read(socket), { ip: host, port });
      socket.destroy();
      assert.throws(() => read(socket), { code: 'ERR_SYSCALL' });
      call.destroy();
      server.close();
    }
  });
});

describe('getsockopt', () => {
  it('names the error', async () => {
    const libc = await loadLibc();
    assert.throws(() => libc.getsockopt(999_999, 0, 80, 16), {
      code: 'ERR_SYSCALL',
      errno: 'EBADF',
      syscall: 'getsockopt',
    });
  });
});

describe('openFilesLimit', () => {
  it('reads the soft limit', () => {
    const text =
      'Limit   Soft Limit  Hard Limit  Units\nMax open files            1024                 4096                 files\n';
    assert.equal(openFilesLimit(text), 1024);
    assert.equal(openFilesLimit(text.replace('1024', 'unlimited')), Number.POSITIVE_INFINITY);
    assert.equal(openFilesLimit('nothing of the kind'), undefined);
  });
});
