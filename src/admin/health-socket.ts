/**
 * How the ambassador is asked whether it serves: a unix socket that answers every connection with one JSON line.
 * `nuncio --health` (the image's HEALTHCHECK) reads it; nobody outside the container can.
 *
 *     const health = new HealthSocket({ path: healthSocketPath(10_000), report, logger });
 *     await readHealth(healthSocketPath(10_000)); // { isServing: true, … }
 */
import { mkdir, rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { AppError, codeOf, messageOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Part } from '../core/part.ts';
import { fail, ok, type Result } from '../core/result.ts';

export interface HealthReport {
  /** Whether connections are accepted and routed. */
  readonly isServing: boolean;
  /** What is wrong, or how it goes: one line. */
  readonly detail: string;
}

const runDirectory = '/run/nuncio';
const answerTimeoutMs = 3000;
/** A report is one short line; whatever is longer does not come from nuncio. */
const maxAnswerBytes = 65_536;

/**
 * One socket a port, because a host may run several ambassadors.
 *
 * @param name the port, or what a command without one does; no `/`
 */
export function healthSocketPath(name: number | string, directory = runDirectory): string {
  return join(directory, `${name}.sock`);
}

export interface HealthSocketOptions {
  readonly path: string;
  readonly report: () => HealthReport;
  readonly logger: Logger;
}

/** Where the socket cannot be made (a read-only file system, no right to it) the ambassador serves without it and says so. */
export class HealthSocket implements Part {
  readonly #options: HealthSocketOptions;
  #server: Server | undefined;

  constructor(options: HealthSocketOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { path, report, logger } = this.#options;
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.setTimeout(answerTimeoutMs, () => socket.destroy());
      socket.end(`${JSON.stringify(report())}\n`);
    });
    try {
      await mkdir(dirname(path), { recursive: true });
      // What an ambassador that was killed has left behind; the TCP port, bound before, shows that none lives.
      await rm(path, { force: true });
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(path, resolve);
      });
      server.unref();
      this.#server = server;
    } catch (thrown) {
      logger.warn(`no health socket at ${path}: ${messageOf(thrown)}; nuncio --health will not work`, {
        code: codeOf(thrown),
      });
    }
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    await new Promise((resolve) => server.close(resolve));
    await rm(this.#options.path, { force: true });
  }
}

/** Asks the ambassador behind a socket; an error where none answers within 3 s. */
export function readHealth(path: string): Promise<Result<HealthReport>> {
  return new Promise((resolve) => {
    const socket = connect(path);
    let text = '';
    socket.setEncoding('utf8');
    socket.setTimeout(answerTimeoutMs, () =>
      socket.destroy(new Error(`no answer within ${answerTimeoutMs} ms`)),
    );
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (text.length > maxAnswerBytes) socket.destroy(new Error('an answer of this length is not nuncio’s'));
    });
    socket.on('error', (error) =>
      resolve(fail(new AppError('ERR_CANNOT_START', `${path}: ${error.message}`))),
    );
    socket.on('end', () => resolve(parseReport(text, path)));
  });
}

function parseReport(text: string, path: string): Result<HealthReport> {
  try {
    const report: unknown = JSON.parse(text);
    if (typeof report === 'object' && report !== null && 'isServing' in report && 'detail' in report) {
      return ok({ isServing: report.isServing === true, detail: String(report.detail) });
    }
  } catch {
    // Falls through to the one answer for everything that is no report.
  }
  return fail(new AppError('ERR_CANNOT_START', `${path}: the answer is not a health report`));
}
