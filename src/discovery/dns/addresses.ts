import type { SocketAddress } from '../../core/address.ts';
import type { AppError } from '../../core/errors.ts';
import { DnsClient } from './client.ts';
import { FreshFile } from './fresh-file.ts';
import { type HostsTable, parseHosts } from './hosts-file.ts';
import { parseResolvConf } from './resolv-conf.ts';

/** The addresses that a host name has now. */
export type HostLookup =
  | {
      readonly kind: 'addresses';
      /** Canonical, each once, IPv4 before IPv6, each of them sorted: servers shuffle their answers. */
      readonly addresses: readonly string[];
      readonly askAgainMs: number;
      /** The family whose record type nobody could answer for: it may have addresses all the same. */
      readonly unknownFamily?: 4 | 6;
    }
  /** Authoritative: the name has no address. */
  | { readonly kind: 'none'; readonly askAgainMs: number }
  /** ERR_RESOLVE_FAILED: nobody could say. */
  | { readonly kind: 'failed'; readonly error: AppError };

/** What finds a host name's addresses. */
export interface AddressLookup {
  /**
   * @param host a DNS name in any case, not an IP address
   * @returns    never rejects; after an abort the outcome means nothing
   */
  lookup(host: string, signal: AbortSignal): Promise<HostLookup>;
}

const askAgain = { hostsFileMs: 5000, noneMs: 5000, minMs: 1000, maxMs: 60_000, dockerMs: 2000 };
/** Where Docker's embedded server listens in a container on a user-defined network. */
const dockerServer = '127.0.0.11';

export interface HostAddressesOptions {
  readonly client: Pick<DnsClient, 'lookup'>;
  /** Must not reject. */
  readonly hosts: () => Promise<HostsTable>;
}

/** Looks host names up as the machine would: hosts file first, then DNS for A and AAAA. */
export class HostAddresses implements AddressLookup {
  readonly #client: Pick<DnsClient, 'lookup'>;
  readonly #hosts: () => Promise<HostsTable>;

  constructor({ client, hosts }: HostAddressesOptions) {
    this.#client = client;
    this.#hosts = hosts;
  }

  async lookup(host: string, signal: AbortSignal): Promise<HostLookup> {
    const table = await this.#hosts();
    const listed = table.get(host.toLowerCase().replace(/\.$/, ''));
    if (listed !== undefined) {
      return { kind: 'addresses', addresses: sorted(listed), askAgainMs: askAgain.hostsFileMs };
    }
    const found = await this.#client.lookup(host, ['A', 'AAAA'], signal);
    if (found.kind === 'failed') return { kind: 'failed', error: found.error };
    if (found.kind === 'nonexistent') return { kind: 'none', askAgainMs: askAgain.noneMs };
    const [unknown] = found.unknown;
    return {
      kind: 'addresses',
      addresses: sorted(found.records.map(({ data }) => data)),
      // Docker's server gives every container 600 s to live, which says nothing about how long it will.
      askAgainMs: found.server.ip === dockerServer ? askAgain.dockerMs : timeToLive(found.ttlSeconds),
      ...(unknown === undefined ? {} : { unknownFamily: unknown.type === 'A' ? 4 : 6 }),
    };
  }
}

/** A TTL of 0 must not make a busy loop, nor one of a week an address that is never given up (RFC 2181 section 8). */
export function timeToLive(seconds: number): number {
  return Math.min(Math.max(seconds * 1000, askAgain.minMs), askAgain.maxMs);
}

/** Addresses in the order of `HostLookup`. */
export function sorted(addresses: readonly string[]): readonly string[] {
  const family = (ip: string) => (ip.includes(':') ? 6 : 4);
  return [...new Set(addresses)].sort((a, b) => family(a) - family(b) || (a < b ? -1 : 1));
}

export interface SystemDnsOptions {
  /** Asked instead of resolv.conf's nameservers, in this order; its search list and options still count. */
  readonly servers?: readonly SocketAddress[] | undefined;
  readonly hostsPath?: string;
  readonly resolvConfPath?: string;
}

/** The look-ups that the machine's own files say; both are read again when they change. */
export function systemDns(options: SystemDnsOptions = {}): { addresses: HostAddresses; client: DnsClient } {
  const { servers = [], hostsPath = '/etc/hosts', resolvConfPath = '/etc/resolv.conf' } = options;
  const hosts = new FreshFile(hostsPath, parseHosts);
  const resolvConf = new FreshFile(resolvConfPath, (text) => {
    const conf = parseResolvConf(text);
    return servers.length === 0 ? conf : { ...conf, nameservers: servers };
  });
  const client = new DnsClient({ config: () => resolvConf.read() });
  return { addresses: new HostAddresses({ client, hosts: () => hosts.read() }), client };
}
