import assert from 'node:assert/strict';
import { endianness } from 'node:os';
import { test } from 'node:test';
import { findRoute } from '../../../src/sys/outgoing-interface.ts';

/** A word as this machine's kernel writes it. */
function word(ip: string): string {
  const bytes = ip.split('.').map(Number);
  const hex = (endianness() === 'LE' ? bytes.reverse() : bytes).map((byte) =>
    byte.toString(16).padStart(2, '0'),
  );
  return hex.join('').toUpperCase();
}

function table(
  ...routes: readonly (readonly [name: string, to: string, mask: string, flags?: string, metric?: number])[]
) {
  const lines = routes.map(([name, to, mask, flags = '0001', metric = 0]) =>
    [name, word(to), word('0.0.0.0'), flags, 0, 0, metric, word(mask), 0, 0, 0].join('\t'),
  );
  return `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n${lines.join('\n')}\n`;
}

test('the interface towards an address is that of the longest route, then of the lowest metric', () => {
  const routes = table(
    ['eth0', '0.0.0.0', '0.0.0.0', '0003'],
    ['eth1', '10.9.0.0', '255.255.0.0'],
    ['eth2', '10.9.8.0', '255.255.255.0', '0001', 5],
    ['eth3', '10.9.8.0', '255.255.255.0', '0001', 2],
    ['eth4', '192.168.0.0', '255.255.0.0', '0000'],
  );
  for (const [ip, name] of [
    ['8.8.8.8', 'eth0'],
    ['10.9.1.1', 'eth1'],
    ['10.9.8.7', 'eth3'],
    ['192.168.0.1', 'eth0'],
    ['255.255.255.255', 'eth0'],
  ] as const) {
    assert.equal(findRoute(routes, ip), name, ip);
  }
  assert.equal(findRoute(table(['eth1', '10.9.0.0', '255.255.0.0']), '10.8.0.1'), undefined);
  assert.equal(findRoute(table(['eth1', '10.9.0.0', '255.255.0.0', '0201']), '10.9.0.1'), undefined);
  assert.equal(findRoute(routes, 'fd00::1'), undefined);
  assert.equal(findRoute('', '10.9.0.1'), undefined);
});
