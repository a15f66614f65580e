/** What a process and its children have used, from /proc. */
import { readFile } from 'node:fs/promises';

export interface Usage {
  /** User and system time of all threads, s. */
  readonly cpuSeconds: number;
  /** Resident memory (VmRSS), MB of 1024 kB; pages that processes share count in each. */
  readonly rssMb: number;
  /** Proportional share (PSS), MB: pages that processes share count in part. */
  readonly pssMb: number;
}

/** Clock ticks a second in /proc (USER_HZ): 100 on every architecture that Node runs on. */
const ticksPerSecond = 100;

/** utime + stime of /proc/PID/stat, s. @throws Error where the text is of another shape */
export function cpuSecondsOf(stat: string): number {
  // proc_pid_stat(5): utime and stime are fields 14 and 15; the name in field 2 may hold spaces and brackets.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const seconds = (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  if (!Number.isFinite(seconds)) throw new Error(`no utime and stime in "${stat}"`);
  return seconds;
}

/** A size of /proc/PID/status or smaps_rollup, MB. @throws Error where there is no such line */
export function megabytesOf(text: string, name: string): number {
  const kilobytes = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1];
  if (kilobytes === undefined) throw new Error(`no ${name} in "${text.slice(0, 80)}"`);
  return Number(kilobytes) / 1024;
}

/** @throws Error ENOENT where the process has ended */
export async function usageOf(pid: number): Promise<Usage> {
  const all = await Promise.all((await family(pid)).map(usageOfOne));
  const sum = (read: (usage: Usage) => number) => all.reduce((total, usage) => total + read(usage), 0);
  return {
    cpuSeconds: sum((usage) => usage.cpuSeconds),
    rssMb: sum((usage) => usage.rssMb),
    pssMb: sum((usage) => usage.pssMb),
  };
}

async function usageOfOne(pid: number): Promise<Usage> {
  const [stat, status, smaps] = await Promise.all(
    ['stat', 'status', 'smaps_rollup'].map((name) => readFile(`/proc/${pid}/${name}`, 'utf8')),
  );
  return {
    cpuSeconds: cpuSecondsOf(stat ?? ''),
    rssMb: megabytesOf(status ?? '', 'VmRSS'),
    pssMb: megabytesOf(smaps ?? '', 'Pss'),
  };
}

async function family(pid: number): Promise<readonly number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  const below = await Promise.all(
    children
      .split(' ')
      .filter(Boolean)
      .map((child) => family(Number(child))),
  );
  return [pid, ...below.flat()];
}
