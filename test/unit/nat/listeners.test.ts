import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { describe, it } from 'node:test';
import { parseListeners, readListeners } from '../../../src/nat/listeners.ts';

const tail = '00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0';
const head =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';

const lines: readonly [line: string, ip: string | undefined, port?: number][] = [
  [`   0: 0100007F:1F90 00000000:0000 0A ${tail}`, '127.0.0.1', 8080],
  [`   1: 00000000:0016 00000000:0000 0A ${tail}`, '0.0.0.0', 22],
  [`  12: 010011AC:FFFF 00000000:0000 0A ${tail}`, '172.17.0.1', 65_535],
  [`1000: ${'0'.repeat(32)}:0050 ${'0'.repeat(32)}:0000 0A ${tail}`, '::', 80],
  [`   0: B80D0120000000000000000001000000:0051 ${'0'.repeat(32)}:0000 0A ${tail}`, '2001:db8::1', 81],
  [`   0: 0000000000000000FFFF0000010011AC:0052 ${'0'.repeat(32)}:0000 0A ${tail}`, '172.17.0.1', 82],
  [`   0: 0100007F:1F90 0100007F:D431 01 ${tail}`, undefined],
  [`   0: 0100007F:1F90 0100007F:D431 06 ${tail}`, undefined],
  ['   0: nonsense', undefined],
  ['', undefined],
];

describe('the sockets that listen, as a little endian machine writes them', () => {
  for (const [line, ip, port] of lines) {
    it(`reads ${ip === undefined ? 'nothing' : `${ip} port ${port}`} from "${line.slice(0, 60)}"`, () => {
      assert.deepEqual(parseListeners(`${head}${line}\n`), ip === undefined ? [] : [{ ip, port }]);
    });
  }
});

it('finds a listener of this machine, among connections, and no more once it is closed', async () => {
  for (const host of ['127.0.0.1', '0.0.0.0']) {
    const server = createServer((socket) => socket.on('end', () => socket.end())).listen(0, host);
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const client = connect(port, '127.0.0.1');
    await once(client, 'connect');
    const isListed = async () => (await readListeners()).filter((l) => l.port === port);
    assert.deepEqual(await isListed(), [{ ip: host, port }]);
    client.destroy();
    server.close();
    await once(server, 'close');
    assert.deepEqual(await isListed(), []);
  }
});
