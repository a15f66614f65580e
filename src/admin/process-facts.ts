import { readdir } from 'node:fs/promises';

/** What the operating system says of this process. */
export interface ProcessFacts {
  readonly residentBytes: number;
  readonly cpuSeconds: number;
  /** Absent where /proc does not tell. */
  readonly openFiles?: number;
}

/** @returns the facts of this moment; never rejects */
export async function processFacts(): Promise<ProcessFacts> {
  const { user, system } = process.cpuUsage();
  const files = await readdir('/proc/self/fd').catch(() => undefined);
  return {
    residentBytes: process.memoryUsage.rss(),
    cpuSeconds: (user + system) / 1e6,
    // One of them is the listing's own.
    ...(files === undefined ? {} : { openFiles: files.length - 1 }),
  };
}
