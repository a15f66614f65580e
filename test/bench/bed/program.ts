/**
 * Programs in the bed's namespaces: run to their end, or started and stopped.
 *
 * Whatever is started dies with the process that started it, also where that is killed (prctl(2), PR_SET_PDEATHSIG).
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { type Usage, usageOf } from './usage.ts';

const execute = promisify(execFile);
const stopMs = 5000;

export interface Place {
  /** Of `ip netns`. */
  readonly namespace: string;
}

/** A command line that runs in a namespace. The pid is that of the program: nsenter and setpriv replace themselves. */
export function commandIn(
  { namespace }: Place,
  program: string,
  args: readonly string[],
): readonly [program: string, args: string[]] {
  // Not `ip netns exec`: that mounts a /sys of its own, without the control groups that the kernel path needs.
  return ['nsenter', [`--net=/run/netns/${namespace}`, 'setpriv', '--pdeathsig', 'KILL', program, ...args]];
}

/**
 * Runs a program to its end.
 *
 * @returns its standard output
 * @throws Error with what it said, where it fails or takes longer than `limitMs`
 */
export async function run(
  place: Place,
  program: string,
  args: readonly string[],
  options: { readonly limitMs: number; readonly signal?: AbortSignal },
): Promise<string> {
  const [file, all] = commandIn(place, program, args);
  try {
    const { stdout } = await execute(file, all, {
      timeout: options.limitMs,
      maxBuffer: 64 * 1024 * 1024,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    return stdout;
  } catch (thrown) {
    options.signal?.throwIfAborted();
    const {
      stdout = '',
      stderr = '',
      message,
    } = thrown as { stdout?: string; stderr?: string; message: string };
    const said = (stderr || stdout).trim().slice(-2000) || message;
    throw new Error(`${program} ${args.join(' ')}: ${said}`, { cause: thrown });
  }
}

export interface ProgramOptions {
  /** Where its output goes; written anew. */
  readonly logFile: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** A program that goes on until it is stopped. */
export class Program implements AsyncDisposable {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #logFile: string;

  constructor(place: Place, program: string, args: readonly string[], options: ProgramOptions) {
    this.name = program;
    this.#logFile = options.logFile;
    const log = openSync(options.logFile, 'w');
    const [file, all] = commandIn(place, program, args);
    this.#child = spawn(file, all, { stdio: ['ignore', log, log], env: options.env ?? process.env });
    closeSync(log);
    this.#child.on('error', () => {});
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get hasEnded(): boolean {
    return this.#child.pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Rejects when the program ends, with the last lines of its log; never resolves. */
  async failsWhenEnded(): Promise<never> {
    if (!this.hasEnded) await once(this.#child, 'exit');
    throw new Error(`${this.name} has ended: ${await this.lastLines()}`);
  }

  async lastLines(): Promise<string> {
    const text = await readFile(this.#logFile, 'utf8').catch(() => '');
    return text.trim().split('\n').slice(-3).join(' | ').slice(-600) || 'it said nothing';
  }

  /** Of the process and its children. */
  usage(): Promise<Usage> {
    return usageOf(this.pid);
  }

  /** Asks it to end, and kills it where it does not within 5 s. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.hasEnded) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const limit = setTimeout(() => this.#child.kill('SIGKILL'), stopMs);
    await ended;
    clearTimeout(limit);
  }
}
