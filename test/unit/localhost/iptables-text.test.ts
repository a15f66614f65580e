import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { iptablesInstallation, iptablesRemoval, readListings } from '../../../src/localhost/iptables-text.ts';

const standing = { address: '172.17.0.2', ports: [80, 6379], switched: ['eth0'] };
const nothing = { nat: '', raw: '' };
const note = '-m comment --comment "nuncio: localhost"';

/** What `iptables -S` prints after the first installation (iptables 1.8.9). */
const listings = {
  nat: `-P OUTPUT ACCEPT
-N NUNCIO-LOCALHOST
-N NUNCIO-LOCALHOST-OUT
-A OUTPUT -d 127.0.0.1/32 -p tcp ${note} -j NUNCIO-LOCALHOST
-A OUTPUT -d 127.0.0.11/32 -j DOCKER_OUTPUT
-A POSTROUTING -s 127.0.0.0/8 ${note} -j NUNCIO-LOCALHOST-OUT
-A NUNCIO-LOCALHOST -d 127.0.0.1/32 -p tcp -m tcp --dport 80 ${note} -j DNAT --to-destination 172.17.0.2
-A NUNCIO-LOCALHOST -d 127.0.0.1/32 -p tcp -m tcp --dport 6379 ${note} -j DNAT --to-destination 172.17.0.2
-A NUNCIO-LOCALHOST-OUT -s 127.0.0.0/8 -d 172.17.0.2/32 ! -o lo ${note} -j MASQUERADE
`,
  raw: `-P PREROUTING ACCEPT
-N NUNCIO-LOCALHOST
-A PREROUTING ${note} -j NUNCIO-LOCALHOST
-A NUNCIO-LOCALHOST -d 127.0.0.0/8 -i eth0 ${note} -j DROP
-A NUNCIO-LOCALHOST -s 127.0.0.0/8 -i eth0 ${note} -j DROP
`,
};

describe('localhost by iptables', () => {
  it('is one input for both tables', () => {
    assert.equal(
      iptablesInstallation(standing, nothing),
      `*nat
:NUNCIO-LOCALHOST - [0:0]
:NUNCIO-LOCALHOST-OUT - [0:0]
-A NUNCIO-LOCALHOST -d 127.0.0.1/32 -p tcp -m tcp --dport 80 ${note} -j DNAT --to-destination 172.17.0.2
-A NUNCIO-LOCALHOST -d 127.0.0.1/32 -p tcp -m tcp --dport 6379 ${note} -j DNAT --to-destination 172.17.0.2
-A NUNCIO-LOCALHOST-OUT -s 127.0.0.0/8 -d 172.17.0.2/32 ! -o lo ${note} -j MASQUERADE
-I OUTPUT 1 -d 127.0.0.1/32 -p tcp ${note} -j NUNCIO-LOCALHOST
-I POSTROUTING 1 -s 127.0.0.0/8 ${note} -j NUNCIO-LOCALHOST-OUT
COMMIT
*raw
:NUNCIO-LOCALHOST - [0:0]
-A NUNCIO-LOCALHOST -i eth0 -d 127.0.0.0/8 ${note} -j DROP
-A NUNCIO-LOCALHOST -i eth0 -s 127.0.0.0/8 ${note} -j DROP
-I PREROUTING 1 ${note} -j NUNCIO-LOCALHOST
COMMIT
`,
    );
  });

  it('takes exactly our own jumps away before it sets them again', () => {
    const deletions = iptablesInstallation(standing, listings)
      .split('\n')
      .filter((line) => line.startsWith('-D'));
    assert.deepEqual(deletions, [
      `-D OUTPUT -d 127.0.0.1/32 -p tcp ${note} -j NUNCIO-LOCALHOST`,
      `-D POSTROUTING -s 127.0.0.0/8 ${note} -j NUNCIO-LOCALHOST-OUT`,
      `-D PREROUTING ${note} -j NUNCIO-LOCALHOST`,
    ]);
    assert.equal(iptablesRemoval(nothing), '');
    const rawOnly = iptablesRemoval({ nat: '-P OUTPUT ACCEPT\n', raw: listings.raw });
    assert.match(rawOnly, /^\*raw\n.*\n-D PREROUTING .*\n-X NUNCIO-LOCALHOST\nCOMMIT\n$/);
  });

  it('is read back, and half of it is damaged', () => {
    assert.deepEqual(readListings(listings), standing);
    assert.equal(readListings({ nat: '-P OUTPUT ACCEPT\n', raw: '' }), undefined);
    assert.equal(readListings({ ...listings, nat: '' }), 'damaged');
    assert.equal(readListings({ ...listings, raw: '' }), 'damaged');
  });
});
