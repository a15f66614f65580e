import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Answer, Question, Target, Task } from './caller-program.ts';
import { commandIn, type Place } from './program.ts';

const programPath = fileURLToPath(new URL('./caller-program.ts', import.meta.url));

/** The process in the caller's namespace that connects as it is told. Also what gives that namespace a pid. */
export class Caller implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<
    number,
    { resolve: (value: unknown) => void; reject: (error: Error) => void }
  >();
  #count = 0;

  constructor(place: Place) {
    const [file, args] = commandIn(place, process.execPath, [programPath]);
    this.#child = spawn(file, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child.on('message', (answer: Answer) => {
      const waiter = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if ('error' in answer) waiter?.reject(new Error(answer.error));
      else waiter?.resolve(answer.value);
    });
    this.#child.on('error', () => {});
    this.#child.on('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("the caller's process has ended"));
      this.#waiting.clear();
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Tries again and again until one request is answered. @throws Error after `limitMs` */
  async awaitServed(target: Target, path: string, limitMs: number): Promise<void> {
    await this.#ask({ kind: 'await-served', target, path, limitMs });
  }

  async text(target: Target, path: string): Promise<string> {
    return String(await this.#ask({ kind: 'text', target, path }));
  }

  /** SHA-256 of a body, hexadecimal. */
  async digest(target: Target, path: string): Promise<string> {
    return String(await this.#ask({ kind: 'digest', target, path }));
  }

  /** Holds that many connections that have carried one request each. @returns how many are open */
  async hold(target: Target, path: string, count: number): Promise<number> {
    return Number(await this.#ask({ kind: 'hold', target, path, count }));
  }

  /** Resets the connections that are held. */
  async release(): Promise<void> {
    await this.#ask({ kind: 'release' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null)
      return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  #ask(task: Task): Promise<unknown> {
    const id = this.#count++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.send({ id, task } satisfies Question, (error) => {
        if (error === null) return;
        this.#waiting.delete(id);
        reject(error);
      });
    });
  }
}
