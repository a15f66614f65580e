import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';

/** What a puppet says to a command. */
export interface Answer {
  readonly value?: unknown;
  readonly error?: { readonly code: string; readonly message: string };
  /** What was logged meanwhile: `warn: message`. */
  readonly log: readonly string[];
}

/** Longest wait for an answer, ms. */
const answerMs = 20_000;

/** A process in a network namespace that does what it is told: a program that calls `obeyLines` of obey.ts. */
export class Puppet<Command> {
  readonly #child: ChildProcess;
  readonly #lines: Interface;

  /**
   * @param script path of its program
   * @param prefix a program that runs it, with arguments
   */
  constructor(namespace: string, script: string, prefix: readonly string[] = []) {
    const command = ['netns', 'exec', namespace, ...prefix, process.execPath, script];
    this.#child = spawn('ip', command, { stdio: ['pipe', 'pipe', 'inherit'] });
    assert.ok(this.#child.stdout);
    this.#lines = createInterface({ input: this.#child.stdout });
  }

  /** `ip netns exec` becomes the program that it runs. */
  get pid(): number {
    assert.ok(this.#child.pid);
    return this.#child.pid;
  }

  /** One command, whatever comes of it. */
  async tell(command: Command): Promise<Answer> {
    const answered = once(this.#lines, 'line', { signal: AbortSignal.timeout(answerMs) });
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`);
    const [line] = await answered;
    return JSON.parse(String(line)) as Answer;
  }

  /** One command that has to succeed. */
  async ask<T = unknown>(command: Command): Promise<T> {
    const { value, error } = await this.tell(command);
    assert.equal(error, undefined, error?.message);
    return value as T;
  }

  async kill(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await ended;
  }
}

/** Runs what follows without these capabilities. */
export function without(capabilities: readonly string[]): readonly string[] {
  if (capabilities.length === 0) return [];
  const bounds = capabilities.map((name) => `-${name}`).join(',');
  return ['setpriv', '--bounding-set', bounds, '--inh-caps', bounds];
}
