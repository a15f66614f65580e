/** The frame of a benchmark's program: progress, signals, exit code. */

/** One line of progress. */
export function say(line: string): void {
  console.error(`    ${line}`);
}

/**
 * Runs a benchmark. SIGINT and SIGTERM abort the signal that it is given, and it unwinds; a second one does not wait.
 *
 * @returns exit code: 0, 1 where it fails (the reason is printed), 130 where it was stopped
 */
export async function untilStopped(work: (signal: AbortSignal) => Promise<void>): Promise<number> {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      // What was started dies with this process.
      if (stop.signal.aborted) process.exit(130);
      stop.abort();
    });
  }
  try {
    await work(stop.signal);
    return 0;
  } catch (thrown) {
    if (stop.signal.aborted) say('stopped; everything that was started is gone');
    else console.error(`bench: ${thrown instanceof Error ? thrown.message : thrown}`);
    return stop.signal.aborted ? 130 : 1;
  }
}
