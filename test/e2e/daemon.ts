import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';

/** A program in the background, its output in a file. Killed by signals that reach the test's process group, too. */
export class Daemon {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #logPath: string;
  readonly name: string;

  private constructor(child: ChildProcess, name: string, logPath: string) {
    this.#child = child;
    this.#ended = once(child, 'exit');
    this.name = name;
    this.#logPath = logPath;
  }

  /**
   * @param name what messages call it
   * @throws Error where the program cannot be started
   */
  static async spawn(name: string, file: string, args: readonly string[], logPath: string): Promise<Daemon> {
    const log = await open(logPath, 'a');
    try {
      const child = spawn(file, args, { stdio: ['ignore', log.fd, log.fd] });
      const daemon = new Daemon(child, name, logPath);
      await once(child, 'spawn');
      return daemon;
    } finally {
      await log.close();
    }
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Sends the signal and waits for the end; after `waitMs` the program is killed. */
  async stop(signal: 'SIGTERM' | 'SIGKILL', waitMs: number): Promise<void> {
    if (!this.isRunning) return;
    this.#child.kill(signal);
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), waitMs);
    await this.#ended;
    clearTimeout(timer);
  }

  async logTail(): Promise<string> {
    return (await readFile(this.#logPath, 'utf8')).split('\n').slice(-30).join('\n');
  }
}
