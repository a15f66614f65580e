import { parsePort } from '../core/address.ts';
import { AppError } from '../core/errors.ts';
import { fail, ok, type Result } from '../core/result.ts';

/** Where the engine listens. */
export type EngineAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly tls: boolean };

/** Where Docker's own tools look when nothing is said. */
export const defaultDockerHost = 'unix:///var/run/docker.sock';

const expected = 'expected unix:///path, tcp://host:port, http://host:port or https://host:port';

/**
 * Reads a DOCKER_HOST text: `unix:///path`, `/path`, `tcp://host[:port]`, `http(s)://host[:port]`; empty = the default socket.
 *
 * @param tlsVerify DOCKER_TLS_VERIFY: any text but the empty one makes `tcp` mean TLS, as in Docker's command line
 * @returns the default port of `tcp` is 2375, with TLS 2376 (IANA: docker, docker-s); ERR_USAGE with the offending text
 */
export function parseDockerHost(text: string, tlsVerify = ''): Result<EngineAddress> {
  const given = text.trim() === '' ? defaultDockerHost : text.trim();
  const refuse = (why: string) =>
    fail(new AppError('ERR_USAGE', `DOCKER_HOST: ${why}: "${given}"; ${expected}`));

  const path = given.startsWith('unix://') ? given.slice('unix://'.length) : given;
  if (path.startsWith('/')) {
    return path.includes('\0') ? refuse('a path cannot hold a NUL byte') : ok({ kind: 'unix', path });
  }
  const [, scheme = '', rest = ''] = /^([a-z]+):\/\/(.*)$/is.exec(given) ?? [];
  if (scheme === '') return refuse('no scheme');
  if (scheme === 'unix') return refuse('the path must begin with "/"');
  if (!['tcp', 'http', 'https'].includes(scheme)) return refuse(`"${scheme}://" is not supported`);

  const [, v6, name, portText] = /^(?:\[([0-9a-f:.]+)\]|([^:/[\]@\s]+))(?::([^/]*))?\/?$/i.exec(rest) ?? [];
  const host = v6 ?? name;
  if (host === undefined) return refuse('no host');
  const tls = scheme === 'https' || (scheme === 'tcp' && tlsVerify !== '');
  const port = portText === undefined ? (tls ? 2376 : 2375) : parsePort(portText);
  if (port === undefined) return refuse('the port must be 1 to 65535');
  return ok({ kind: 'tcp', host, port, tls });
}
