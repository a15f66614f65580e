import { spawn } from 'node:child_process';
import { codeOf, messageOf } from '../core/errors.ts';

/** How a command ended; `reason` is one line. */
export type CommandOutcome =
  | { readonly kind: 'done'; readonly stdout: string }
  /** There is no such program. */
  | { readonly kind: 'missing'; readonly reason: string }
  /** It said no, was cut off, or could not be run. */
  | { readonly kind: 'failed'; readonly reason: string };

export interface CommandOptions {
  readonly stdin?: string;
  /** Kills the command. */
  readonly signal?: AbortSignal;
}

/** Runs a program of the machine to its end. Never throws. */
export type RunCommand = (
  program: string,
  args: readonly string[],
  options?: CommandOptions,
) => Promise<CommandOutcome>;

const maxStdoutBytes = 16 * 1024 * 1024;
const maxStderrBytes = 4096;

/**
 * Runs programs found in PATH, in the C locale.
 *
 * @param timeoutMs after this time a program is killed
 */
export function commandRunner(timeoutMs = 10_000): RunCommand {
  return (program, args, { stdin = '', signal } = {}) =>
    new Promise((resolve) => {
      const child = spawn(program, args, { env: { ...process.env, LC_ALL: 'C' } });
      if (!hasPipes(child)) {
        // Out of files: Node has made no pipes, whatever the types say, and tells why in a moment.
        child.once('error', (error: Error) => {
          resolve({ kind: 'failed', reason: `${program}: ${messageOf(error)}` });
        });
        return;
      }
      const stdout: Buffer[] = [];
      let stdoutBytes = 0;
      let stderr = '';
      let spawnError: Error | undefined;
      let cutOff: string | undefined;

      const cut = (reason: string) => {
        cutOff ??= reason;
        child.kill('SIGKILL');
        // A child of the child may hold the pipes open; 'close' must not wait for it.
        child.stdout.destroy();
        child.stderr.destroy();
      };
      const limit = setTimeout(() => cut(`no answer within ${timeoutMs / 1000} s`), timeoutMs);
      const onAbort = () => cut('cut off');
      if (signal?.aborted) onAbort();
      signal?.addEventListener('abort', onAbort);

      child.stdout.on('data', (chunk: Buffer) => {
        stdoutBytes += chunk.length;
        if (stdoutBytes <= maxStdoutBytes) stdout.push(chunk);
        else cut(`more than ${maxStdoutBytes} bytes of output`);
      });
      child.stderr.on('data', (chunk: Buffer) => {
        if (stderr.length < maxStderrBytes) stderr += chunk.toString('utf8');
      });
      // A program that ends without reading its input is judged by its exit code, not by the broken pipe.
      child.stdin.on('error', () => {});
      child.stdin.end(stdin);
      child.on('error', (error) => {
        spawnError = error;
      });
      child.on('close', (code, killedBy) => {
        clearTimeout(limit);
        signal?.removeEventListener('abort', onAbort);
        const failed = (reason: string) => resolve({ kind: 'failed', reason: `${program}: ${reason}` });
        if (codeOf(spawnError) === 'ENOENT')
          resolve({ kind: 'missing', reason: `${program}: not installed` });
        else if (cutOff !== undefined) failed(cutOff);
        else if (spawnError !== undefined) failed(messageOf(spawnError));
        else if (code === 0) resolve({ kind: 'done', stdout: Buffer.concat(stdout).toString('utf8') });
        else failed(firstLines(stderr) || (killedBy === null ? `exit code ${code}` : `ended by ${killedBy}`));
      });
    });
}

/** Node's spawn leaves before it has made the streams where the process has no file left (EMFILE, ENFILE). */
function hasPipes(child: { readonly stdin: unknown }): boolean {
  return child.stdin !== undefined && child.stdin !== null;
}

/** What a program said, in one line: without its hints and the text that it points at. */
function firstLines(stderr: string): string {
  const lines = stderr.split('\n').map((line) => line.trim());
  return lines
    .filter((line) => line !== '' && !/^\^+$/.test(line) && !line.startsWith('# Warning'))
    .slice(0, 2)
    .join(' / ')
    .slice(0, 300);
}
