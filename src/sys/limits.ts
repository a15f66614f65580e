/**
 * The number of files that a process may have open, from the text of /proc/self/limits (proc(5)).
 * Node raises its own soft limit to the hard one when it starts.
 *
 * @returns undefined where the text has no such line; Infinity for "unlimited"
 */
export function openFilesLimit(procLimits: string): number | undefined {
  const soft = /^Max open files\s+(\S+)/m.exec(procLimits)?.[1];
  if (soft === undefined) return undefined;
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}
