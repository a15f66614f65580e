/**
 * The program at the kernel's search for a listening socket. README.md tells what it does in words.
 *
 * Source: uapi/linux/bpf.h, struct bpf_sk_lookup; Linux net/core/filter.c bpf_sk_lookup_assign,
 *         include/linux/filter.h bpf_sk_lookup_run_v4
 */
import { Assembler } from '../bpf/assembler.ts';
import { helper } from '../bpf/helpers.ts';

/** Descriptors of the maps that the program uses, each with the one key 0. */
export interface MapDescriptors {
  /** The proxy's listening socket. */
  readonly listeners: number;
  /** 4 bytes: the port on which connections from here are steered too, or 0 for none. */
  readonly proof: number;
}

/** struct bpf_sk_lookup */
const context = { protocol: 12, remoteIp: 16, localIp: 40, localPort: 60, interface: 64 } as const;
/** Bytes of an IPv4 address and, after it, an IPv6 address. The one that a connection has not is all zeros. */
const addressSize = 20;
const tcp = 6;
/** LOOPBACK_IFINDEX: `lo` has this number in every network namespace. */
const loopbackInterface = 1;
/** SK_PASS: the search goes on, or ends with the socket that was assigned. */
const pass = 1;
/** Below the frame's end. */
const keyAt = -4;

/**
 * @param exceptPorts connections to these stay as they are
 * @returns the program's bytes
 */
export function steer({ listeners, proof }: MapDescriptors, exceptPorts: readonly number[]): Buffer {
  const code = new Assembler()
    .move('r6', 'r1')
    .load(4, 'r1', 'r6', context.protocol)
    .jumpIf('r1', '!=', tcp, 'out')
    .load(4, 'r7', 'r6', context.localPort);
  for (const port of exceptPorts) code.jumpIf('r7', '==', port, 'out');
  code
    .store(4, 'r10', keyAt, 0)
    .load(4, 'r1', 'r6', context.interface)
    .jumpIf('r1', '==', loopbackInterface, 'local');
  // What this namespace sends to another address of its own has that address's interface here, and the address for its source.
  for (let at = 0; at < addressSize; at += 4) {
    code
      .load(4, 'r1', 'r6', context.remoteIp + at)
      .load(4, 'r2', 'r6', context.localIp + at)
      .jumpIf('r1', '!=', 'r2', 'assign');
  }
  code.label('local');
  lookUp(code, proof).load(4, 'r1', 'r0', 0).jumpIf('r1', '!=', 'r7', 'out');
  code.label('assign');
  lookUp(code, listeners)
    .move('r8', 'r0')
    .move('r1', 'r6')
    .move('r2', 'r0')
    .move('r3', 0)
    .call(helper.assignSocket)
    .move('r1', 'r8')
    .call(helper.releaseSocket);
  return code.label('out').move('r0', pass).exit().bytes();
}

/** r0 = the map's value of key 0; no value ends the program. */
function lookUp(code: Assembler, map: number): Assembler {
  return code
    .loadMap('r1', map)
    .move('r2', 'r10')
    .compute('r2', '+', keyAt)
    .call(helper.mapLookup)
    .jumpIf('r0', '==', 0, 'out');
}
