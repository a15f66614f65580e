import { readFileSync } from 'node:fs';

/** linux/capability.h CAP_NET_ADMIN */
const netAdminBit = 12n;

/**
 * Whether a process with this status may set rules in its network namespace.
 *
 * @param procStatus text of /proc/PID/status
 * Source: capabilities(7) CAP_NET_ADMIN; proc(5) CapEff
 */
export function hasNetAdmin(procStatus: string): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(procStatus)?.[1];
  return effective !== undefined && ((BigInt(`0x${effective}`) >> netAdminBit) & 1n) === 1n;
}

/** Whether this process may set rules: the ambassador without CAP_NET_ADMIN depends on somebody else's. */
export function canManageRules(): boolean {
  return hasNetAdmin(readFileSync('/proc/self/status', 'utf8'));
}
