import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { AppError, messageOf } from '../core/errors.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type { ConsulSettings, ConsulTls } from './consul.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Reads a file's text. @throws where it cannot be read */
export type ReadText = (path: string) => string;

const readText: ReadText = (path) => readFileSync(path, 'utf8');

/**
 * What the environment variables of Consul's own tools say: CONSUL_HTTP_TOKEN, CONSUL_HTTP_TOKEN_FILE, CONSUL_HTTP_AUTH
 * (`user:password`), CONSUL_HTTP_SSL, CONSUL_HTTP_SSL_VERIFY, CONSUL_CACERT, CONSUL_CLIENT_CERT, CONSUL_CLIENT_KEY,
 * CONSUL_TLS_SERVER_NAME. An empty one counts as unset. The agent's address is not among them: the descriptor names it.
 *
 * @returns ERR_CANNOT_START with the variable, what was expected and what to do; files are read now, once
 * Source: Consul documentation, Commands, Environment Variables
 */
export function consulSettings(env: Environment, read: ReadText = readText): Result<ConsulSettings> {
  try {
    const { CONSUL_HTTP_AUTH: auth } = env;
    const token = readToken(env, read);
    const isSecure = flag(env, 'CONSUL_HTTP_SSL', false);
    return ok({
      ...(token === undefined ? {} : { token }),
      ...(auth ? { auth } : {}),
      ...(isSecure ? { tls: readTls(env, read) } : {}),
    });
  } catch (thrown) {
    if (thrown instanceof AppError) return fail(thrown);
    throw thrown;
  }
}

/** The token itself goes before one in a file, as in Consul's api package. */
function readToken(env: Environment, read: ReadText): string | undefined {
  const { CONSUL_HTTP_TOKEN: token } = env;
  const text = token ? token : file(env, 'CONSUL_HTTP_TOKEN_FILE', read)?.trim();
  if (text !== undefined && !/^[\x21-\x7e]*$/.test(text)) {
    throw wrong(`${token ? 'CONSUL_HTTP_TOKEN' : 'CONSUL_HTTP_TOKEN_FILE'}: expected a token on one line`);
  }
  return text === '' ? undefined : text;
}

function readTls(env: Environment, read: ReadText): ConsulTls {
  const { CONSUL_TLS_SERVER_NAME: serverName } = env;
  const pem = {
    ca: file(env, 'CONSUL_CACERT', read),
    cert: file(env, 'CONSUL_CLIENT_CERT', read),
    key: file(env, 'CONSUL_CLIENT_KEY', read),
  };
  if ((pem.cert === undefined) !== (pem.key === undefined)) {
    throw wrong('CONSUL_CLIENT_CERT and CONSUL_CLIENT_KEY belong together: set both or neither');
  }
  try {
    createSecureContext(pem);
  } catch (thrown) {
    const files = 'CONSUL_CACERT, CONSUL_CLIENT_CERT, CONSUL_CLIENT_KEY';
    throw wrong(`${files}: expected PEM files that fit together (${messageOf(thrown)})`, thrown);
  }
  const known = Object.fromEntries(Object.entries(pem).filter(([, text]) => text !== undefined));
  const verify = flag(env, 'CONSUL_HTTP_SSL_VERIFY', true);
  return { ...known, ...(serverName ? { serverName } : {}), verify };
}

function file(env: Environment, name: string, read: ReadText): string | undefined {
  const path = env[name];
  if (!path) return undefined;
  try {
    return read(path);
  } catch (thrown) {
    throw wrong(
      `${name}: cannot read "${path}" (${messageOf(thrown)}); correct the path or unset it`,
      thrown,
    );
  }
}

/** The words of Go's strconv.ParseBool, which Consul's tools read them with. */
function flag(env: Environment, name: string, otherwise: boolean): boolean {
  const text = env[name];
  if (!text) return otherwise;
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(text)) return false;
  throw wrong(`${name}: expected true or false, found "${text}"`);
}

function wrong(message: string, cause?: unknown): AppError {
  return new AppError('ERR_CANNOT_START', message, cause === undefined ? {} : { cause });
}
