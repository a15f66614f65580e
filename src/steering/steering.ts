import { closeSync, openSync } from 'node:fs';
import { type Bpf, mapType } from '../bpf/bpf.ts';
import type { Part } from '../core/part.ts';
import { steer } from './program.ts';
import { proveSteering } from './proof.ts';

export interface SteeringOptions {
  readonly bpf: Bpf;
  /** Descriptor of the proxy's listening socket, the first of its group. It stays its opener's. */
  readonly listener: number;
  /** Connections to these ports stay as they are; the proxy's own must be among them. */
  readonly exceptPorts: readonly number[];
}

const firstKey = Buffer.alloc(4);
const ownNamespace = '/proc/self/ns/net';

/**
 * Leads what arrives in this network namespace, for any of its addresses and any port but the excepted ones, to the proxy's
 * listening socket. No packet is changed, and no connection is tracked for it: accepted sockets have the address that was dialled.
 * The end of the process ends it, in whatever way.
 */
export class Steering implements Part {
  readonly #options: SteeringOptions;
  readonly #open: number[] = [];
  #provedOn: readonly string[] = [];

  constructor(options: SteeringOptions) {
    this.#options = options;
  }

  /** The addresses on which a connection has shown that it works. */
  get provedOn(): readonly string[] {
    return this.#provedOn;
  }

  /** @throws AppError ERR_SYSCALL where the kernel does not do it, ERR_RULES where it says so and does not; nothing is left then */
  async start(): Promise<void> {
    try {
      const setProofPort = this.#attach();
      this.#provedOn = await proveSteering(setProofPort, this.#options.exceptPorts);
    } catch (thrown) {
      this.#close();
      throw thrown;
    }
  }

  async stop(): Promise<void> {
    this.#close();
  }

  #attach(): (port: number) => void {
    const { bpf, listener, exceptPorts } = this.#options;
    const keep = (fd: number) => {
      this.#open.push(fd);
      return fd;
    };
    const one = { keySize: 4, valueSize: 4, maxEntries: 1 };
    const listeners = keep(bpf.createMap({ name: 'nuncio_listener', type: mapType.sockets, ...one }));
    const proof = keep(bpf.createMap({ name: 'nuncio_proof', type: mapType.array, ...one }));
    bpf.update(listeners, firstKey, word(listener));
    const program = keep(
      bpf.loadProgram('nuncio_steer', 'socketLookup', steer({ listeners, proof }, exceptPorts)),
    );
    const namespace = openSync(ownNamespace, 'r');
    try {
      keep(bpf.link(program, namespace, 'socketLookup'));
    } finally {
      closeSync(namespace);
    }
    return (port) => bpf.update(proof, firstKey, word(port));
  }

  /** The link is the last that was opened, and the first that goes. */
  #close(): void {
    for (const fd of this.#open.splice(0).reverse()) closeSync(fd);
  }
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
