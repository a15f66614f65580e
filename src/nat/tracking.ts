import { writeFile } from 'node:fs/promises';
import { codeOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';

/** The kernel's connection tracking, as embassy's image could set it. */
export interface TrackingSettings {
  /** nf_conntrack_max: connections that are tracked at a time, of the whole machine. */
  readonly maxConnections?: number;
  /** nf_conntrack_tcp_timeout_time_wait, s. */
  readonly timeWaitSeconds?: number;
}

const names = {
  maxConnections: 'net.netfilter.nf_conntrack_max',
  timeWaitSeconds: 'net.netfilter.nf_conntrack_tcp_timeout_time_wait',
} as const;

/**
 * Writes the settings that are given. They stay when the ambassador ends: the kernel's state is shared. What cannot be
 * written is told and is no reason not to serve.
 *
 * @param write as of node:fs
 * Source: Linux Documentation/networking/nf_conntrack-sysctl.rst
 */
export async function applyTracking(
  settings: TrackingSettings,
  logger: Logger,
  write: (path: string, text: string) => Promise<void> = writeFile,
): Promise<void> {
  for (const key of ['maxConnections', 'timeWaitSeconds'] as const) {
    const value = settings[key];
    if (value === undefined) continue;
    const name = names[key];
    try {
      await write(`/proc/sys/${name.replaceAll('.', '/')}`, `${value}\n`);
      logger.info(`${name} = ${value}`);
    } catch (thrown) {
      const code = codeOf(thrown) ?? 'unknown';
      logger.warn(
        `${name} stays as it is (${code}): run the ambassador with --net host --privileged, or on the host: sysctl -w ${name}=${value}`,
        { code },
      );
    }
  }
}
