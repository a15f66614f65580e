import { readFileSync } from 'node:fs';

/** linux/capability.h */
const bits = { NET_ADMIN: 12n, SYS_ADMIN: 21n } as const;

export type Capability = keyof typeof bits;

/**
 * Whether a process with this status has all of these capabilities in effect.
 *
 * @param procStatus text of /proc/PID/status
 * Source: capabilities(7); proc(5) CapEff
 */
export function hasCapabilities(procStatus: string, wanted: readonly Capability[]): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(procStatus)?.[1];
  if (effective === undefined) return false;
  return wanted.every((name) => ((BigInt(`0x${effective}`) >> bits[name]) & 1n) === 1n);
}

/** Whether this process may set rules: the ambassador without CAP_NET_ADMIN depends on somebody else's. */
export function canManageRules(): boolean {
  return hasCapabilities(readFileSync('/proc/self/status', 'utf8'), ['NET_ADMIN']);
}
