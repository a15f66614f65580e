/**
 * DNS: names to addresses, by asking the nameservers of the machine over dns2's wire format.
 *
 *     const { addresses, client } = systemDns();          // addresses.ts: what the rest of discovery uses
 *     const found = await addresses.lookup('redis-1', signal);
 *     if (found.kind === 'addresses') use(found.addresses, found.askAgainMs);
 *
 * From the outside in: addresses (hosts file, A and AAAA) -> client (servers, search list) -> exchange (UDP, TCP),
 * message (bytes) and records. A record type more is an entry in records.ts.
 */
import { canonicalIp, type SocketAddress } from '../../core/address.ts';

/** How names are to be asked for. */
export interface ResolvConf {
  /** At least one, in the order of asking; a resolv.conf names 3 at most. */
  readonly nameservers: readonly SocketAddress[];
  /** Domains that a short name is completed with; `.` is the root. */
  readonly search: readonly string[];
  /** A name with at least this many dots is asked as it is first. */
  readonly ndots: number;
  /** How long one server may take for one answer, ms. */
  readonly timeoutMs: number;
  /** How often the list of servers is gone through. */
  readonly attempts: number;
}

const dnsPort = 53;
/** glibc's limits (resolv.h: MAXNS, RES_MAXNDOTS, RES_MAXRETRANS in seconds, RES_MAXRETRY); the search list has none there. */
const limits = { nameservers: 3, ndots: 15, timeoutSeconds: 30, attempts: 5, search: 16 };
const defaults = { ndots: 1, timeoutSeconds: 2, attempts: 2 };

/**
 * Reads the text of a resolv.conf. What it does not know, or what makes no sense, is left out, as the C library does; no
 * text is refused. Without a nameserver it is the one on this machine.
 *
 * An IPv6 nameserver's zone (`%eth0`) is dropped. `options` without a number, and the variables LOCALDOMAIN and
 * RES_OPTIONS, are not read. A time-out that is not given is 2 s, not the C library's 5 s: connections wait for it.
 *
 * Source: resolv.conf(5)
 */
export function parseResolvConf(text: string): ResolvConf {
  const nameservers: SocketAddress[] = [];
  let search: readonly string[] = [];
  const options = { ...defaults };
  for (const line of text.split('\n')) {
    // The keyword starts the line; a comment has # or ; there.
    const [keyword, ...values] = line.trimEnd().split(/[ \t]+/);
    if (keyword === 'nameserver') {
      const ip = canonicalIp(values[0] ?? '');
      if (ip !== undefined && nameservers.length < limits.nameservers) {
        nameservers.push({ ip, port: dnsPort });
      }
    } else if (keyword === 'search' || keyword === 'domain') {
      // The last of them wins; `domain` is a search list of one.
      const domains = keyword === 'search' ? values : values.slice(0, 1);
      search = domains.filter((domain) => domain !== '').slice(0, limits.search);
    } else if (keyword === 'options') {
      for (const value of values) readOption(options, value);
    }
  }
  if (nameservers.length === 0) nameservers.push({ ip: '127.0.0.1', port: dnsPort });
  const { ndots, timeoutSeconds, attempts } = options;
  return { nameservers, search, ndots, timeoutMs: timeoutSeconds * 1000, attempts };
}

function readOption(options: typeof defaults, text: string): void {
  const parts = /^(ndots|timeout|attempts):(\d{1,9})$/.exec(text);
  if (parts === null) return;
  const value = Number(parts[2]);
  if (parts[1] === 'ndots') options.ndots = Math.min(value, limits.ndots);
  else if (parts[1] === 'timeout') options.timeoutSeconds = clamp(value, limits.timeoutSeconds);
  else options.attempts = clamp(value, limits.attempts);
}

/** 0 would mean never to wait, or never to ask. */
function clamp(value: number, max: number): number {
  return Math.min(Math.max(value, 1), max);
}
