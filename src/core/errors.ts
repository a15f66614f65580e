/**
 * Stable names of everything that can go wrong; code matches on these, never on a message.
 *
 * USAGE              the command line is wrong (exit 2)
 * CANNOT_START       the process cannot do its work here (exit 1)
 * DESCRIPTOR_SYNTAX  a descriptor does not parse; `column` says where
 * DESCRIPTOR_REFUSED a descriptor parses, but may not be used here
 * NOT_IN_BUILD       a descriptor's scheme has no resolver in this build
 * UNKNOWN_CALLER     no container has the address that a connection came from
 * NO_ROUTE           the caller names no backend for the port
 * NO_ENDPOINT        the backend has no endpoint at the moment
 * CONNECT_FAILED     every endpoint was tried and none accepted
 * CONNECT_TIMEOUT    an endpoint did not answer in time
 * LIMIT              a bound (connections, waiting callers, file descriptors) is reached
 * RESOLVE_FAILED     DNS, the registry or the engine did not answer, or not sensibly
 * DOCKER             the Docker engine refused a call or is gone
 * RULES              a nat rule could not be built, set, verified or removed
 * SYSCALL            a system call failed; `errno` and `syscall` say which
 */
export type ErrorCode =
  | 'ERR_USAGE'
  | 'ERR_CANNOT_START'
  | 'ERR_DESCRIPTOR_SYNTAX'
  | 'ERR_DESCRIPTOR_REFUSED'
  | 'ERR_NOT_IN_BUILD'
  | 'ERR_UNKNOWN_CALLER'
  | 'ERR_NO_ROUTE'
  | 'ERR_NO_ENDPOINT'
  | 'ERR_CONNECT_FAILED'
  | 'ERR_CONNECT_TIMEOUT'
  | 'ERR_LIMIT'
  | 'ERR_RESOLVE_FAILED'
  | 'ERR_DOCKER'
  | 'ERR_RULES'
  | 'ERR_SYSCALL';

export interface ErrorDetails {
  /** 1-based column of the offending text. */
  readonly column?: number;
  /** Name of the failed call's error: "ENOENT". */
  readonly errno?: string;
  readonly syscall?: string;
  readonly cause?: unknown;
}

/** An error that belongs to the design: a code to match on, a message that says where, what and with which text. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly column: number | undefined;
  readonly errno: string | undefined;
  readonly syscall: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'AppError';
    this.code = code;
    this.column = details.column;
    this.errno = details.errno;
    this.syscall = details.syscall;
  }
}

/** The short text of anything thrown, for a log line or another error's message. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.message || thrown.name;
  return String(thrown);
}

/** The `code` of a Node system error ("ECONNREFUSED") or of an AppError; undefined for anything else. */
export function codeOf(thrown: unknown): string | undefined {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown)) return undefined;
  return typeof thrown.code === 'string' ? thrown.code : undefined;
}
