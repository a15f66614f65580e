/** Most descriptors that are written down: the kernel's own default bound for a process (fs.nr_open). */
const mostDescriptors = 1_048_576;

/** The memory of a ledger, for all threads of the process. */
export function makeLedgerMemory(openFiles: number): SharedArrayBuffer {
  return new SharedArrayBuffer(Math.min(mostDescriptors, openFiles));
}

/**
 * Which thread has which descriptor open. A thread that dies leaves its descriptors behind, because the kernel knows
 * only processes; whoever replaces it closes what stands here under its number.
 */
export class Ledger {
  readonly #owners: Uint8Array;
  readonly #owner: number;

  /** @param owner number of the thread, 1..255 */
  constructor(memory: SharedArrayBuffer, owner: number) {
    this.#owners = new Uint8Array(memory);
    this.#owner = owner;
  }

  opened(fd: number): void {
    this.#owners[fd] = this.#owner;
  }

  /** Before the descriptor is closed: from then on its number may be another thread's. */
  closing(fd: number): void {
    this.#owners[fd] = 0;
  }

  /** The descriptors that this thread has open. */
  held(): number[] {
    const held: number[] = [];
    for (
      let fd = this.#owners.indexOf(this.#owner);
      fd !== -1;
      fd = this.#owners.indexOf(this.#owner, fd + 1)
    ) {
      held.push(fd);
    }
    return held;
  }
}
