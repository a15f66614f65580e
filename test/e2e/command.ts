import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';

export interface Outcome {
  /** Exit code; 128 + the signal's number is the shell's habit, here a signal is -1. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  /** Bound of the whole run, ms; then the process is killed. */
  readonly timeoutMs?: number;
  readonly input?: Readable | string;
  readonly signal?: AbortSignal;
}

/** Most that is kept of a command's output, characters; a test that prints more wants a hash of it. */
const maxOutput = 1_000_000;

/**
 * Runs a program to its end, whatever its exit code.
 *
 * @throws Error where it cannot be started or does not end in time (30 s unless said otherwise)
 */
export async function command(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<Outcome> {
  const { timeoutMs = 30_000, input, signal } = options;
  const bound = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal ? [signal] : [])]);
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'], signal: bound, killSignal: 'SIGKILL' });
  const collected = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      if (collected[name].length < maxOutput) collected[name] += text;
    });
  }
  // A program that ends without reading all of its input is judged by its exit code, not by the broken pipe.
  child.stdin.on('error', () => {});
  if (typeof input === 'object') input.pipe(child.stdin);
  else child.stdin.end(input);
  try {
    const [code] = (await once(child, 'close')) as [number | null];
    return { code: code ?? -1, ...collected };
  } catch (error) {
    const why = bound.aborted ? `no end after ${timeoutMs} ms (or aborted)` : String(error);
    throw new Error(`${file} ${args.join(' ')}: ${why}\n${collected.stdout}${collected.stderr}`, {
      cause: error,
    });
  }
}

/** Like `command`, for what must succeed. @returns stdout without the white space at its end. @throws Error otherwise */
export async function output(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await command(file, args, options);
  if (code !== 0) throw new Error(`${file} ${args.join(' ')}: exit code ${code}\n${stderr}${stdout}`);
  return stdout.trimEnd();
}
