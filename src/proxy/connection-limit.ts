/** Files that are open apart from connections: libraries, logs, the engine's sockets, DNS queries, rule programs. */
const reservedFiles = 200;

/** A connection has two sockets. */
const filesPerConnection = 2;

const most = 1_000_000;

export interface ConnectionLimit {
  readonly maxConnections: number;
  /** Why that is less than was asked for. */
  readonly problem?: string;
}

/**
 * How many connections a process can hold at a time. Never more than its open files allow: where accept(2) runs out of
 * files, libuv closes what is waiting without a word to anybody (uv__emfile_trick), and the rest of the process, which
 * needs files too, stands still. Above this limit callers are reset, and the log says so.
 *
 * @param openFiles the process's limit of open files; Infinity = none
 * @param asked     the operator's number; absent = as many as the files allow
 */
export function connectionLimit(openFiles: number, asked?: number): ConnectionLimit {
  const reserved = Math.min(reservedFiles, openFiles / 2);
  const possible = Math.max(1, Math.min(most, Math.floor((openFiles - reserved) / filesPerConnection)));
  if (asked === undefined) return { maxConnections: possible };
  if (asked <= possible) return { maxConnections: asked };
  const needed = asked * filesPerConnection + reservedFiles;
  const problem = `${asked} connections need ${needed} open files and the limit is ${openFiles}: at most ${possible} connections (raise it: docker run --ulimit nofile=${needed})`;
  return { maxConnections: possible, problem };
}

/** Said once, when the limit is reached. */
export function fullText(maxConnections: number): string {
  return `${maxConnections} connections are open: further ones are reset (--max-connections, docker run --ulimit nofile=…)`;
}

export const outOfFilesText = 'the limit of open files is reached (raise it: docker run --ulimit nofile=…)';
