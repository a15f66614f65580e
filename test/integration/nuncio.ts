import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

/** How the built program is run. */
export const commandLine = [process.execPath, new URL('../../dist/main.js', import.meta.url).pathname];

/** A loopback port on which nobody listens. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

/** The built program, on a port that is free. */
export class Nuncio implements AsyncDisposable {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  readonly #waiting = new Set<() => void>();

  private constructor(port: number, args: readonly string[], prefix: readonly string[] = []) {
    this.port = port;
    const drain = args.includes('--drain') ? [] : ['--drain', '0s'];
    const [program, ...argv] = [...prefix, ...commandLine, ...args, '--port', String(port), ...drain];
    assert.ok(program);
    this.#child = spawn(program, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
    assert.ok(this.#child.stdout);
    createInterface(this.#child.stdout).on('line', (line) => {
      this.#lines.push(line);
      for (const wake of this.#waiting) wake();
    });
    this.#child.on('exit', () => {
      for (const wake of this.#waiting) wake();
    });
  }

  static start(...args: readonly string[]): Promise<Nuncio> {
    return Nuncio.startBy([], ...args);
  }

  /** @param prefix what runs it: a program that becomes the one that it is given, with arguments */
  static async startBy(prefix: readonly string[], ...args: readonly string[]): Promise<Nuncio> {
    const nuncio = new Nuncio(await freePort(), args, prefix);
    await nuncio.line(/listening on/);
    return nuncio;
  }

  /** Waits for a log line; `from`: not before this many. */
  async line(match: RegExp, from = 0): Promise<void> {
    while (!this.#lines.slice(from).some((line) => match.test(line))) {
      if (this.#child.exitCode !== null) assert.fail(`it has ended before ${match}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      await promise;
      this.#waiting.delete(resolve);
    }
  }

  get mark(): number {
    return this.#lines.length;
  }

  /** What a connection is greeted with, or the code of its error. */
  dial(): Promise<string> {
    return new Promise((resolve) => {
      const socket = connect({ port: this.port, host: '127.0.0.1' });
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk;
      });
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
      socket.on('end', () => resolve(text));
    });
  }

  async until(greeting: string): Promise<void> {
    for (let tries = 0; tries < 1500; tries++) {
      if ((await this.dial()) === greeting) return;
      await delay(10);
    }
    assert.fail(`no connection reached ${greeting} within 15 s`);
  }

  /** Asks it to stop, and does not wait. */
  end(): void {
    this.#child.kill('SIGTERM');
  }

  /** Asks it to stop. @returns its exit code */
  async stop(): Promise<number | null> {
    if (this.#child.exitCode === null) {
      const exited = once(this.#child, 'exit');
      this.end();
      await exited;
    }
    return this.#child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
