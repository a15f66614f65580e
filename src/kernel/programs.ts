/**
 * The programs at the hooks of connect(2) and getpeername(2). README.md tells what they do in words.
 *
 * Source: uapi/linux/bpf.h, struct bpf_sock_addr and struct bpf_sock_tuple; Linux net/ipv4/tcp_ipv4.c tcp_v4_pre_connect,
 *         net/ipv4/af_inet.c inet_getname
 */
import { Assembler } from '../bpf/assembler.ts';
import { createStorage, currentNamespace, helper } from '../bpf/helpers.ts';
import { maxEndpoints, maxTurns, memory, routeKey, routeValue, slot, slotEndpoint } from './layout.ts';

/** Descriptors of the maps that the programs use. */
export interface MapDescriptors {
  readonly routes: number;
  readonly slots: number;
  readonly ownAddresses: number;
  /** Socket storage. */
  readonly memory: number;
}

/** struct bpf_sock_addr */
const context = { ip4: 4, ip6: 8, port: 24, protocol: 36, socket: 64 } as const;
const tcp = 6;
/** The words of an address as a program reads them from memory. */
const mappedPrefix = wordOf(0, 0, 255, 255);
const loopback4 = wordOf(127, 0, 0, 1);
const loopback6 = wordOf(0, 0, 0, 1);

/** What lies below the frame's end; r10 plus these. */
const frame = { routeKey: -16, dialled: -32, slotIndex: -36, tuple: -72 } as const;

/** struct bpf_sock_tuple: saddr, daddr, sport, dport */
const tuple = { 4: { address: 4, port: 10, size: 12 }, 6: { address: 16, port: 34, size: 36 } } as const;

type Family = 4 | 6;

/** connect(2) of an IPv4 socket. */
export function connect4(maps: MapDescriptors): Buffer {
  const code = begin(maps);
  for (const [index, word] of [0, 0, mappedPrefix].entries())
    code.store(4, 'r10', frame.dialled + 4 * index, word);
  code.load(4, 'r1', 'r6', context.ip4).store(4, 'r10', frame.dialled + 12, 'r1');
  redirect(code, maps, 4, () =>
    code.load(4, 'r1', 'r9', slotEndpoint.address + 12).store(4, 'r6', context.ip4, 'r1'),
  );
  return end(code);
}

/** connect(2) of an IPv6 socket, which may well dial an IPv4 address. */
export function connect6(maps: MapDescriptors): Buffer {
  const code = begin(maps);
  for (let word = 0; word < 4; word++) {
    code.load(4, 'r1', 'r6', context.ip6 + 4 * word).store(4, 'r10', frame.dialled + 4 * word, 'r1');
  }
  const write = () => {
    for (let word = 0; word < 4; word++) {
      code.load(4, 'r1', 'r9', slotEndpoint.address + 4 * word).store(4, 'r6', context.ip6 + 4 * word, 'r1');
    }
  };
  code.load(8, 'r1', 'r10', frame.dialled).jumpIf('r1', '!=', 0, 'ipv6');
  code
    .load(4, 'r1', 'r10', frame.dialled + 8)
    .move('r2', mappedPrefix)
    .compute('r2', '<<', 32);
  code.compute('r2', '>>', 32).jumpIf('r1', '!=', 'r2', 'ipv6');
  redirect(code, maps, 4, write);
  code.label('ipv6');
  redirect(code, maps, 6, write);
  return end(code);
}

/** getpeername(2): who asks sees what was dialled, as long as the socket is still connected to where it was led. */
export function getpeername4(maps: MapDescriptors): Buffer {
  const code = recall(maps);
  code
    .load(4, 'r1', 'r6', context.ip4)
    .load(4, 'r2', 'r0', memory.address + 12)
    .jumpIf('r1', '!=', 'r2', 'out');
  code.load(4, 'r1', 'r0', memory.dialledAddress + 12).store(4, 'r6', context.ip4, 'r1');
  return end(showDialledPort(code));
}

export function getpeername6(maps: MapDescriptors): Buffer {
  const code = recall(maps);
  for (let word = 0; word < 4; word++) {
    code.load(4, 'r1', 'r6', context.ip6 + 4 * word).load(4, 'r2', 'r0', memory.address + 4 * word);
    code.jumpIf('r1', '!=', 'r2', 'out');
  }
  for (let word = 0; word < 4; word++) {
    code.load(4, 'r1', 'r0', memory.dialledAddress + 4 * word).store(4, 'r6', context.ip6 + 4 * word, 'r1');
  }
  return end(showDialledPort(code));
}

/** r6 = the hook's context. Leaves unless it is TCP, from a known namespace, to a port with a route; notes the slot. */
function begin(maps: MapDescriptors): Assembler {
  const code = new Assembler().move('r6', 'r1');
  code.load(4, 'r1', 'r6', context.protocol).jumpIf('r1', '!=', tcp, 'out');
  code
    .move('r1', 'r6')
    .call(helper.namespaceCookie)
    .store(8, 'r10', frame.routeKey + routeKey.cookie, 'r0');
  code.load(4, 'r1', 'r6', context.port).store(8, 'r10', frame.routeKey + routeKey.port, 'r1');
  lookup(code, maps.routes, frame.routeKey);
  return code.load(4, 'r1', 'r0', routeValue.slot).store(4, 'r10', frame.slotIndex, 'r1');
}

/** Leaves unless the address leads to the ambassador; chooses an endpoint (r9), remembers, and writes it down. */
function redirect(code: Assembler, maps: MapDescriptors, family: Family, writeAddress: () => void): void {
  const name = (text: string) => `${text}-${family}`;
  isToAmbassador(code, maps, family, name);
  code.label(name('chosen'));
  lookup(code, maps.slots, frame.slotIndex);
  code.move('r8', 'r0');
  code.load(8, 'r1', 'r8', slot.cookie).load(8, 'r2', 'r10', frame.routeKey + routeKey.cookie);
  code.jumpIf('r1', '!=', 'r2', 'out');
  code.load(4, 'r1', 'r8', slot.port).load(4, 'r2', 'r10', frame.routeKey + routeKey.port);
  code.jumpIf('r1', '!=', 'r2', 'out');
  takeTurn(code, family, name);
  remember(code, maps);
  // Counted once it is certain.
  code.move('r1', 1).atomicAdd(8, 'r9', slotEndpoint.connects, 'r1');
  writeAddress();
  code.load(4, 'r1', 'r9', slotEndpoint.port).store(4, 'r6', context.port, 'r1');
  code.jump('out');
}

/** Goes to `chosen` for one of the ambassador's addresses, and for loopback where the caller itself does not listen. */
function isToAmbassador(
  code: Assembler,
  maps: MapDescriptors,
  family: Family,
  name: (text: string) => string,
): void {
  if (family === 6) {
    // The first three words are zero for ::1 only, of all that comes here and can be dialled.
    code.load(8, 'r1', 'r10', frame.dialled).jumpIf('r1', '!=', 0, name('other'));
    code.load(4, 'r1', 'r10', frame.dialled + 8).jumpIf('r1', '!=', 0, name('other'));
  }
  code.load(4, 'r1', 'r10', frame.dialled + 12);
  code.jumpIf('r1', '!=', family === 4 ? loopback4 : loopback6, name('other'));
  const { address, port, size } = tuple[family];
  for (let offset = 0; offset < size; offset += 4) code.store(4, 'r10', frame.tuple + offset, 0);
  for (const base of [0, address]) {
    const at = frame.tuple + base + address - 4;
    code.load(4, 'r1', 'r10', frame.dialled + 12).store(4, 'r10', at, 'r1');
  }
  code.load(4, 'r1', 'r6', context.port).store(2, 'r10', frame.tuple + port, 'r1');
  code.move('r1', 'r6').move('r2', 'r10').compute('r2', '+', frame.tuple).move('r3', size);
  code.move('r4', currentNamespace).move('r5', 0).call(helper.lookupTcpSocket);
  code.jumpIf('r0', '==', 0, name('chosen'));
  code.move('r1', 'r0').call(helper.releaseSocket).jump('out');
  code.label(name('other'));
  lookup(code, maps.ownAddresses, frame.dialled);
}

/** r9 = the endpoint whose turn it is. r8 = the slot. */
function takeTurn(code: Assembler, family: Family, name: (text: string) => string): void {
  code.load(4, 'r7', 'r8', slot.turns[family]).jumpIf('r7', '==', 0, 'out');
  code.load(4, 'r1', 'r8', slot.isRandom).jumpIf('r1', '!=', 0, name('lot'));
  code.move('r0', 1).atomicFetchAdd(4, 'r8', slot.next[family], 'r0').jump(name('turn'));
  code.label(name('lot')).call(helper.random);
  code.label(name('turn')).compute('r0', '%', 'r7').jumpIf('r0', '>=', maxTurns, 'out');
  code.move('r1', 'r8').compute('r1', '+', 'r0').load(1, 'r1', 'r1', slot.wheel[family]);
  code.jumpIf('r1', '>=', maxEndpoints, 'out').compute('r1', '*', slotEndpoint.size);
  code.move('r9', 'r8').compute('r9', '+', 'r1').compute('r9', '+', slot.endpoints);
}

/** Leaves where the kernel has no memory for it: the proxy serves, and what the socket shows stays true. */
function remember(code: Assembler, maps: MapDescriptors): void {
  storage(code, maps, createStorage);
  code.jumpIf('r0', '==', 0, 'out');
  for (let word = 0; word < 4; word++) {
    code.load(4, 'r1', 'r9', slotEndpoint.address + 4 * word).store(4, 'r0', memory.address + 4 * word, 'r1');
    code
      .load(4, 'r1', 'r10', frame.dialled + 4 * word)
      .store(4, 'r0', memory.dialledAddress + 4 * word, 'r1');
  }
  code.load(4, 'r1', 'r9', slotEndpoint.port).store(4, 'r0', memory.port, 'r1');
  code.load(4, 'r1', 'r6', context.port).store(4, 'r0', memory.dialledPort, 'r1');
}

/** r6 = context, r0 = what the socket remembers; leaves where that is nothing, or not about the port that it shows. */
function recall(maps: MapDescriptors): Assembler {
  const code = new Assembler().move('r6', 'r1');
  storage(code, maps, 0);
  code.jumpIf('r0', '==', 0, 'out');
  code.load(4, 'r1', 'r6', context.port).load(4, 'r2', 'r0', memory.port).jumpIf('r1', '!=', 'r2', 'out');
  return code;
}

function showDialledPort(code: Assembler): Assembler {
  return code.load(4, 'r1', 'r0', memory.dialledPort).store(4, 'r6', context.port, 'r1');
}

function storage(code: Assembler, maps: MapDescriptors, flags: number): void {
  code.loadMap('r1', maps.memory).load(8, 'r2', 'r6', context.socket).move('r3', 0).move('r4', flags);
  code.call(helper.socketStorage);
}

/** r0 = the value; leaves where there is none. @param key its place below the frame's end */
function lookup(code: Assembler, map: number, key: number): void {
  code.loadMap('r1', map).move('r2', 'r10').compute('r2', '+', key).call(helper.mapLookup);
  code.jumpIf('r0', '==', 0, 'out');
}

/** Every way out lets the call go on, with the address as it then stands. */
function end(code: Assembler): Buffer {
  return code.label('out').move('r0', 1).exit().bytes();
}

/** Four bytes as they lie in memory, read as one signed number: what an instruction's constant is. */
function wordOf(...bytes: readonly [number, number, number, number]): number {
  return Buffer.from(bytes).readInt32LE(0);
}
