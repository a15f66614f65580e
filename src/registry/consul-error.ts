import { AppError, codeOf, messageOf } from '../core/errors.ts';

/** What the client package throws (papi's errors): a refusal carries its response, anything else a system error's code. */
interface Thrown {
  readonly statusCode?: unknown;
  readonly response?: { readonly body?: unknown };
  readonly isTimeout?: unknown;
  readonly isCodec?: unknown;
}

const maxQuoted = 200;

/** The HTTP status that a refusal came with; undefined where there was no answer at all. */
export function statusOf(thrown: unknown): number | undefined {
  const { statusCode } = fieldsOf(thrown);
  return typeof statusCode === 'number' ? statusCode : undefined;
}

/**
 * Wraps what a call to Consul threw: where, which call, why, what to do.
 *
 * @param where     the agent's `host:port`
 * @param call      in words: `reading the keys at "services/web"`
 * @param timeoutMs the bound that the call had
 */
export function consulError(thrown: unknown, where: string, call: string, timeoutMs: number): AppError {
  if (thrown instanceof AppError) return thrown;
  const errno = codeOf(thrown);
  const status = statusOf(thrown);
  const why =
    status !== undefined ? refusal(status, bodyOf(thrown)) : silence(thrown, errno, Math.round(timeoutMs));
  const details = errno === undefined ? { cause: thrown } : { cause: thrown, errno };
  return new AppError('ERR_RESOLVE_FAILED', `consul at ${where}, ${call}: ${why}`, details);
}

function refusal(status: number, body: string): string {
  const said = body === '' ? `HTTP ${status}` : `HTTP ${status}, ${body}`;
  if (status === 403) return `${said}; give a token that may read this (CONSUL_HTTP_TOKEN)`;
  if (status === 429) return `${said}; raise limits.http_max_conns_per_client of the agent`;
  if (/HTTP request to an HTTPS server/.test(body)) return `${said}; set CONSUL_HTTP_SSL=true`;
  if (/No path to datacenter/.test(body)) return `${said}; correct dc=, or join the datacenters`;
  if (/No cluster leader/.test(body)) return `${said}; its servers have lost each other or are starting`;
  return said;
}

function silence(thrown: unknown, errno: string | undefined, timeoutMs: number): string {
  const { isTimeout, isCodec } = fieldsOf(thrown);
  if (isTimeout === true) {
    return `no answer within ${timeoutMs} ms; does the agent hang, or are packets to it dropped?`;
  }
  if (isCodec === true) return `the answer cannot be read (${messageOf(thrown).slice(0, maxQuoted)})`;
  const known = advice(errno);
  if (known !== undefined) return `${known} (${errno})`;
  return messageOf(thrown).trim().slice(0, maxQuoted);
}

/** What to do about a system error, by its name. */
function advice(errno: string | undefined): string | undefined {
  switch (errno) {
    case undefined:
      return undefined;
    case 'ECONNREFUSED':
      return 'nobody listens there; is the agent running, on that address?';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'the host name does not resolve; correct it, or write an address';
    case 'ECONNRESET':
    case 'EPIPE':
      return 'the connection was cut; is the agent restarting, does it want TLS (CONSUL_HTTP_SSL=true), or has this host reached limits.http_max_conns_per_client?';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ETIMEDOUT':
      return 'there is no way to it; check the address and the firewall';
    case 'EPROTO':
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
      return 'it does not speak TLS, or not with these certificates; check CONSUL_HTTP_SSL and CONSUL_CLIENT_CERT';
    default:
      return /CERT|SIGNATURE|ISSUER/.test(errno)
        ? 'its certificate is not accepted; check CONSUL_CACERT and CONSUL_TLS_SERVER_NAME'
        : undefined;
  }
}

/** The text of a refusal on one line. */
function bodyOf(thrown: unknown): string {
  const body = fieldsOf(thrown).response?.body;
  const text = typeof body === 'string' ? body : Buffer.isBuffer(body) ? body.toString('utf8', 0, 1000) : '';
  return text
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim()
    .slice(0, maxQuoted);
}

function fieldsOf(thrown: unknown): Thrown {
  return typeof thrown === 'object' && thrown !== null ? (thrown as Thrown) : {};
}
