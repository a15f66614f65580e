import { isIP } from 'node:net';
import { formatHostPort, isLoopbackOrLinkLocal, isUnspecified } from '../core/address.ts';
import { AppError } from '../core/errors.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type { Container, PublishedPort } from '../docker/container.ts';

/** Where other machines reach a container's port. */
export interface PublishedAddress {
  /** An IP address or a host name. */
  readonly host: string;
  readonly port: number;
}

/**
 * The address that a container's TCP port is published on: as published where that names an address, `hostIp` where it
 * is published on every address of the host.
 *
 * @param hostIp an address or name of this host that others reach; absent: not known
 * @returns ERR_CANNOT_START with what to do, where there is none that could be told to others
 */
export function publishedAddress(
  container: Pick<Container, 'name' | 'published'>,
  port: number,
  hostIp: string | undefined,
): Result<PublishedAddress> {
  const { name, published } = container;
  const bindings = published.filter((one) => one.containerPort === port && one.protocol === 'tcp');
  if (bindings.length === 0) {
    const why = `container ${name} publishes ${listed(published)}, not ${port}/tcp`;
    return refuse(`${why}; start it with -p <address of this host>::${port}`);
  }
  const named = bindings.find((one) => !isUnspecified(one.hostIp) && !isLoopbackOrLinkLocal(one.hostIp));
  if (named !== undefined) return ok({ host: named.hostIp, port: named.hostPort });
  const everywhere = bindings.filter((one) => isUnspecified(one.hostIp));
  const at = bindings.map((one) => formatHostPort(one.hostIp, one.hostPort)).join(' and ');
  const where = `container ${name} publishes ${port}/tcp on ${at}`;
  if (everywhere.length === 0) {
    return refuse(`${where}, which only this host reaches; start it with -p <address of this host>::${port}`);
  }
  if (hostIp === undefined) {
    return refuse(
      `${where}, which is no address to dial: give this host's address with --host-ip or HOST_IP`,
    );
  }
  // The two families may be published on different ports.
  const family = isIP(hostIp) === 6 ? 6 : 4;
  const binding = everywhere.find((one) => isIP(one.hostIp) === family) ?? everywhere[0];
  return ok({ host: hostIp, port: binding?.hostPort ?? port });
}

function listed(published: readonly PublishedPort[]): string {
  const ports = new Set(published.map(({ containerPort, protocol }) => `${containerPort}/${protocol}`));
  return ports.size === 0 ? 'no port' : [...ports].join(', ');
}

function refuse(message: string): ReturnType<typeof fail> {
  return fail(new AppError('ERR_CANNOT_START', message));
}
