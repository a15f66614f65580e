import { AppError, codeOf, messageOf } from '../core/errors.ts';
import type { EngineAddress } from './engine-address.ts';

/** What to do about a system error, by its name. */
function advice(errno: string | undefined, address: EngineAddress): string | undefined {
  const socket = address.kind === 'unix';
  switch (errno) {
    case 'ENOENT':
      return socket
        ? `there is no socket; mount it (-v ${address.path}:${address.path}) or name the engine with DOCKER_HOST`
        : undefined;
    case 'EACCES':
    case 'EPERM':
      return 'permission denied; run as root or as a member of the group that owns the socket';
    case 'ECONNREFUSED':
      return socket
        ? 'nobody listens on the socket; is dockerd running? (a container that mounts the socket itself keeps the old one when dockerd makes it anew: mount its folder)'
        : 'nobody listens there; is dockerd running?';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'the host name does not resolve; check DOCKER_HOST';
    case 'ECONNRESET':
    case 'EPIPE':
      return address.kind === 'tcp' && !address.tls
        ? 'the connection was cut; does the engine want TLS (DOCKER_TLS_VERIFY=1)?'
        : 'the connection was cut; is dockerd restarting?';
    default:
      return undefined;
  }
}

function statusOf(thrown: unknown): number | undefined {
  if (typeof thrown !== 'object' || thrown === null || !('statusCode' in thrown)) return undefined;
  return typeof thrown.statusCode === 'number' ? thrown.statusCode : undefined;
}

/** Whether the engine answered that it does not know the thing asked for. */
export function isNotFound(thrown: unknown): boolean {
  return statusOf(thrown) === 404;
}

/** The same, or that the thing is being removed already (409, moby daemon/delete.go). */
export function isGoneOrGoing(thrown: unknown): boolean {
  return isNotFound(thrown) || statusOf(thrown) === 409;
}

/**
 * Wraps what a call to the engine threw: where, which call, what to do.
 *
 * @param where the engine as the operator named it
 * @param call  in words: "listing the containers"
 */
export function engineError(thrown: unknown, where: string, call: string, address: EngineAddress): AppError {
  if (thrown instanceof AppError) return thrown;
  const errno = codeOf(thrown);
  const why = advice(errno, address) ?? messageOf(thrown).trim();
  const details = errno === undefined ? { cause: thrown } : { cause: thrown, errno };
  return new AppError('ERR_DOCKER', `docker engine at ${where}, ${call}: ${why}`, details);
}
