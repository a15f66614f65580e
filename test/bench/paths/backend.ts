/** The backend: nginx with a small answer, the caller's address, and a large body; and iperf3. */
import { createHash, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Bed } from '../bed/bed.ts';
import { type Place, Program, run } from '../bed/program.ts';

export const httpPort = 8080;
export const streamPort = 5201;
export const smallPath = '/small';
/** Answers with the address that the connection came from. */
export const whoPath = '/who';
export const bodyPath = '/body';
const bodyBytes = 16 * 1024 * 1024;
/** Longer than any run: an idle connection is held by whoever opened it. */
const idleSeconds = 3600;

export interface Backend extends AsyncDisposable {
  /** SHA-256 of what `bodyPath` answers, hexadecimal. */
  readonly bodyDigest: string;
}

/** Settings that keep nginx in the bed's folder; also for the peer. */
export function nginxBase(folder: string, name: string): string {
  return `
    daemon off;
    user root;
    worker_processes 1;
    pid ${join(folder, `${name}.pid`)};
    error_log stderr warn;
    events { worker_connections 16384; }
  `;
}

export async function startBackend(bed: Bed): Promise<Backend> {
  const body = randomBytes(bodyBytes);
  await writeFile(join(bed.folder, 'body'), body);
  const configuration = join(bed.folder, 'backend.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${join(bed.folder, `${name}.tmp`)};`,
  );
  await writeFile(
    configuration,
    `${nginxBase(bed.folder, 'backend')}
    http {
      ${temporary.join('\n      ')}
      access_log off;
      sendfile on;
      tcp_nopush on;
      keepalive_requests 1000000000;
      keepalive_timeout ${idleSeconds}s;
      client_header_timeout ${idleSeconds}s;
      server {
        listen ${httpPort} backlog=4096;
        location = ${smallPath} { return 200 "served\\n"; }
        location = ${whoPath} { return 200 $remote_addr; }
        location = ${bodyPath} { root ${bed.folder}; }
      }
    }
    `,
  );
  await using programs = new AsyncDisposableStack();
  programs.use(
    new Program(bed.backend, 'nginx', ['-c', configuration], { logFile: join(bed.folder, 'backend.log') }),
  );
  // One for all runs, from before any proxy starts: a health check that finds nobody there would take its endpoint out.
  const streams = programs.use(
    new Program(bed.backend, 'iperf3', ['-s', '-J', '-p', String(streamPort)], {
      logFile: join(bed.folder, 'iperf3.log'),
    }),
  );
  await Promise.race([untilListening(bed.backend, [httpPort, streamPort]), streams.failsWhenEnded()]);
  const all = programs.move();
  return {
    bodyDigest: createHash('sha256').update(body).digest('hex'),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/** @throws Error where nobody listens after 5 s */
async function untilListening(place: Place, ports: readonly number[]): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const sockets = await run(place, 'ss', ['-Hltn'], { limitMs: 5000 });
    if (ports.every((port) => new RegExp(`:${port}\\s`).test(sockets))) return;
    await delay(50);
  }
  throw new Error(`the backend does not listen on ports ${ports.join(' and ')}`);
}
