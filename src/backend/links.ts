import { canonicalIp, parsePort } from '../core/address.ts';
import type { HostPort } from './backend.ts';
import { hostNameFault } from './scanner.ts';

/**
 * What `docker run --link` has left in the environment: of each link `<ALIAS>_PORT_<port>_TCP=tcp://<ip>:<port>` for each
 * exposed port, and `<ALIAS>_NAME=/<this container>/<alias>`. The alias is kept where it is told, because Docker keeps its
 * line in /etc/hosts up to date when the linked container restarts with another address; the variables stay as they were.
 *
 * @returns by port, in the order of the environment
 * Source: Docker documentation, "Legacy container links", environment variables
 */
export function readLinks(
  env: Readonly<Record<string, string | undefined>>,
): ReadonlyMap<number, HostPort[]> {
  const byPort = new Map<number, HostPort[]>();
  for (const [name, value = ''] of Object.entries(env)) {
    const alias = /^(?<alias>.+)_PORT_\d+_TCP$/.exec(name)?.groups?.alias;
    const address = /^tcp:\/\/(?:\[(?<v6>[^\]]+)\]|(?<v4>[\d.]+)):(?<port>\d+)$/.exec(value)?.groups;
    const ip = canonicalIp(address?.v6 ?? address?.v4 ?? '');
    const port = parsePort(address?.port ?? '');
    if (alias === undefined || ip === undefined || port === undefined) continue;
    const told = env[`${alias}_NAME`]?.split('/').at(-1)?.toLowerCase();
    const host = told !== undefined && hostNameFault(told) === undefined ? told : ip;
    byPort.set(port, [...(byPort.get(port) ?? []), { host, port }]);
  }
  return byPort;
}
