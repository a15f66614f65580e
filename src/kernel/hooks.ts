import { closeSync } from 'node:fs';
import type { Bpf, Hook } from '../bpf/bpf.ts';
import { connect4, connect6, getpeername4, getpeername6, type MapDescriptors } from './programs.ts';

const programs = {
  // What is shown comes before what is done: no socket is ever led away without showing what it dialled.
  getpeername4,
  getpeername6,
  connect4,
  connect6,
} satisfies Partial<Record<Hook, (maps: MapDescriptors) => Buffer>>;

/**
 * Loads the programs and hooks them in for every process below a cgroup.
 *
 * @param cgroup descriptor of its directory
 * @returns takes them out again; so does the end of the process, in whatever way. May be called twice
 * @throws AppError ERR_SYSCALL; nothing is hooked in then
 */
export function attachHooks(bpf: Bpf, maps: MapDescriptors, cgroup: number): () => void {
  const links: number[] = [];
  const detach = () => {
    for (const link of links.splice(0).reverse()) closeSync(link);
  };
  try {
    for (const hook of Object.keys(programs) as (keyof typeof programs)[]) {
      // 15 characters are what a name has.
      const program = bpf.loadProgram(
        `nuncio_${hook.replace('getpeername', 'peer')}`,
        hook,
        programs[hook](maps),
      );
      try {
        links.push(bpf.link(program, cgroup, hook));
      } finally {
        // The link keeps the program.
        closeSync(program);
      }
    }
  } catch (thrown) {
    detach();
    throw thrown;
  }
  return detach;
}
