/** What the kernel tells of a container's first process. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import type { Docker } from './docker.ts';

export class ProcessState {
  readonly pid: number;

  private constructor(pid: number) {
    this.pid = pid;
  }

  static async of(docker: Docker, container: string): Promise<ProcessState> {
    const pid = Number(await docker.inspect(container, '{{.State.Pid}}'));
    if (pid === 0) throw new Error(`${container} does not run`);
    return new ProcessState(pid);
  }

  /** How many files and sockets it has open. */
  async openFiles(): Promise<number> {
    return (await readdir(`/proc/${this.pid}/fd`)).length;
  }

  /** Memory in use now, bytes. */
  memory(): Promise<number> {
    return this.#bytes('VmRSS');
  }

  /** Most memory that was in use since `forgetPeak`, bytes. */
  peakMemory(): Promise<number> {
    return this.#bytes('VmHWM');
  }

  /** Source: proc_pid_clear_refs(5), value 5. */
  forgetPeak(): Promise<void> {
    return writeFile(`/proc/${this.pid}/clear_refs`, '5');
  }

  async #bytes(field: string): Promise<number> {
    const status = await readFile(`/proc/${this.pid}/status`, 'utf8');
    const kilobytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1];
    if (kilobytes === undefined) throw new Error(`no ${field} in the state of process ${this.pid}`);
    return Number(kilobytes) * 1024;
  }
}
