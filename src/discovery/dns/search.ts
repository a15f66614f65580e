import type { ResolvConf } from './resolv-conf.ts';

/** Longest name in text form (RFC 1035 section 2.3.4: 255 bytes on the wire). */
const maxNameLength = 253;

/**
 * The names to ask for in turn, without a trailing dot: a name with fewer dots than `ndots` is completed with each search
 * domain first and asked as it is last; one with enough dots the other way round; one that ends in a dot only as it is.
 *
 * Source: resolv.conf(5) search and ndots; glibc resolv/res_query.c, __res_context_search
 */
export function searchCandidates(
  name: string,
  { search, ndots }: Pick<ResolvConf, 'search' | 'ndots'>,
): string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  const completed = search
    .map((domain) => domain.replace(/^\.+|\.+$/g, ''))
    .map((domain) => (domain === '' ? name : `${name}.${domain}`))
    .filter((candidate) => candidate.length <= maxNameLength);
  const dots = name.split('.').length - 1;
  return [...new Set(dots >= ndots ? [name, ...completed] : [...completed, name])];
}
