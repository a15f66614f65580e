import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { formatHostPort } from '../core/address.ts';
import { AppError, codeOf, messageOf } from '../core/errors.ts';

/** A connection to the same machine; more is a sign that it went elsewhere. */
const timeoutMs = 2000;
const loopback = ['127.0.0.1', '::1'] as const;
/** Ports that are asked for until one is not excepted. */
const triesForPort = 20;
/** The namespace has no such address. */
const absent: readonly (string | undefined)[] = ['EADDRNOTAVAIL', 'ENETUNREACH', 'EAFNOSUPPORT'];

/**
 * Proves the program to be at work: connections over loopback, which it leaves alone but for one port, are accepted on that port
 * though nobody listens there. The proxy sees them as its own probes.
 *
 * @param setProofPort tells the program the port, or 0 for none
 * @returns the addresses on which it was proved, one a family that this namespace has
 * @throws AppError ERR_RULES where a connection was not accepted
 */
export async function proveSteering(
  setProofPort: (port: number) => void,
  exceptPorts: readonly number[],
): Promise<readonly string[]> {
  const proved: string[] = [];
  for (const ip of loopback) {
    const port = await unusedPort(ip, exceptPorts);
    if (port === undefined) continue;
    setProofPort(port);
    try {
      await dial(ip, port);
    } finally {
      setProofPort(0);
    }
    proved.push(ip);
  }
  if (proved.length === 0) throw notProved('there is no loopback address to dial');
  return proved;
}

/** A port that the kernel has just had free; undefined where there is no such address. */
async function unusedPort(ip: string, exceptPorts: readonly number[]): Promise<number | undefined> {
  for (let tries = 0; tries < triesForPort; tries++) {
    const server = createServer().listen(0, ip);
    try {
      await once(server, 'listening');
    } catch (thrown) {
      if (absent.includes(codeOf(thrown))) return undefined;
      throw notProved(messageOf(thrown), thrown);
    }
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    if (!exceptPorts.includes(port)) return port;
  }
  throw notProved(`the kernel had no port but excepted ones free at ${ip}`);
}

async function dial(ip: string, port: number): Promise<void> {
  const socket = connect({ host: ip, port });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(timeoutMs) });
  } catch (thrown) {
    throw notProved(`a connection to ${formatHostPort(ip, port)} was not led to the proxy`, thrown);
  } finally {
    socket.on('error', () => {});
    socket.destroy();
  }
}

function notProved(what: string, cause?: unknown): AppError {
  return new AppError('ERR_RULES', what, cause === undefined ? {} : { cause });
}
