import { setTimeout as delay } from 'node:timers/promises';
import { formatHostPort } from '../core/address.ts';
import { AppError, codeOf, messageOf } from '../core/errors.ts';

/** `--setup-iptables` listens on the port while it probes its rules, for some ms; a port that stays taken is an error. */
const takenPortMs = 1000;
const retryMs = 100;
const noIpv6 = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL']);

/**
 * Listens on an address: `::` is both families where IPv6 is there, and IPv4 alone where it is not.
 *
 * @param listen listens on one address; rejects with the system's error
 * @throws AppError ERR_CANNOT_START where the port is taken or may not be bound
 */
export async function listenOn<T>(
  host: string,
  port: number,
  listen: (host: string) => Promise<T> | T,
): Promise<T> {
  const hosts = host === '::' ? ['::', '0.0.0.0'] : [host];
  const deadline = performance.now() + takenPortMs;
  for (;;) {
    const tried = hosts[0] ?? host;
    try {
      return await listen(tried);
    } catch (thrown) {
      const code = systemCode(thrown);
      if (hosts.length > 1 && noIpv6.has(code)) hosts.shift();
      else if (code === 'EADDRINUSE' && performance.now() < deadline) await delay(retryMs);
      else throw cannotListen(tried, port, thrown);
    }
  }
}

function systemCode(thrown: unknown): string {
  return (thrown instanceof AppError ? thrown.errno : codeOf(thrown)) ?? '';
}

const advice: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process has the port; choose another with --port, or stop that one',
  EACCES: 'ports below 1024 need root or CAP_NET_BIND_SERVICE',
  EADDRNOTAVAIL: 'the address belongs to no interface here',
};

function cannotListen(host: string, port: number, cause: unknown): AppError {
  const code = systemCode(cause);
  const hint = advice[code] ?? messageOf(cause);
  return new AppError(
    'ERR_CANNOT_START',
    `cannot listen on ${formatHostPort(host, port)}: ${code}: ${hint}`,
    { cause },
  );
}
