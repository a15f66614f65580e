import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readLinks } from '../../../src/backend/links.ts';

describe('the link environment', () => {
  it('tells each exposed TCP port of each link', () => {
    const links = readLinks({
      DB_PORT_3306_TCP: 'tcp://172.17.0.2:3306',
      DB_PORT_33060_TCP: 'tcp://172.17.0.2:33060',
      V6_PORT_80_TCP: 'tcp://[fd00::2]:80',
    });
    assert.deepEqual(
      [...links],
      [
        [3306, [{ host: '172.17.0.2', port: 3306 }]],
        [33060, [{ host: '172.17.0.2', port: 33060 }]],
        [80, [{ host: 'fd00::2', port: 80 }]],
      ],
    );
  });

  it('is followed by alias where the alias is a host name', () => {
    const hostOf = (name: string) =>
      readLinks({ A_PORT_80_TCP: 'tcp://172.17.0.2:80', A_NAME: name }).get(80)?.[0]?.host;
    assert.equal(hostOf('/amb/Redis-Master'), 'redis-master');
    assert.equal(hostOf('/amb/etcd-amb-apache.service'), 'etcd-amb-apache.service');
    assert.equal(hostOf('/amb/not a name'), '172.17.0.2');
  });

  it('passes over what is no link', () => {
    const links = readLinks({
      PORT_80_TCP: 'tcp://172.17.0.2:80',
      A_PORT_80_TCP: 'tcp://redis:80',
      B_PORT_80_TCP: 'tcp://172.17.0.2:99999',
      C_PORT_80_TCP: undefined,
      D_PORT_80_UDP: 'udp://172.17.0.2:80',
      E_PORT_80_TCP_ADDR: '172.17.0.2',
    });
    assert.equal(links.size, 0);
  });
});
