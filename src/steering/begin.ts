import { loadBpf } from '../bpf/bpf.ts';
import { AppError, messageOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { PartStack } from '../core/part.ts';
import { Steering } from './steering.ts';

export interface BeginSteeringOptions {
  readonly proxyPort: number;
  /** Ports beside the proxy's own that stay as they are. */
  readonly exceptPorts: readonly number[];
  /** Descriptor of the proxy's listening socket; undefined where the data plane has none to give away. */
  readonly listener: number | undefined;
  readonly logger: Logger;
  readonly parts: PartStack;
}

/**
 * Steering, where it works here.
 *
 * @returns undefined where it is at work, else why it is not, with what would help
 */
export async function beginSteering(options: BeginSteeringOptions): Promise<string | undefined> {
  const { proxyPort, listener, logger, parts } = options;
  if (listener === undefined) return 'only the data plane in worker threads can be steered to';
  const exceptPorts = [...new Set([proxyPort, ...options.exceptPorts])].sort((a, b) => a - b);
  try {
    const steering = await parts.begin(new Steering({ bpf: await loadBpf(), listener, exceptPorts }));
    logger.info(
      `connections are steered at the socket lookup, without nat: every port of this network namespace but ${exceptPorts.join(', ')} leads to port ${proxyPort}; proved by a connection to ${steering.provedOn.join(' and ')}`,
    );
    return undefined;
  } catch (thrown) {
    if (thrown instanceof Error && typeof thrown.cause === 'string') {
      logger.debug('steering: what the verifier says', { log: thrown.cause });
    }
    return adviseOn(thrown);
  }
}

/** What is missing and how to come by it, in one line. */
export function adviseOn(thrown: unknown): string {
  if (!(thrown instanceof AppError) || thrown.syscall !== 'bpf') return messageOf(thrown);
  // Engines before 23.0 do not know BPF by name, and their seccomp profile ties bpf(2) to SYS_ADMIN.
  if (thrown.errno === 'EPERM')
    return 'programs may not be loaded (--cap-add BPF; before Docker 23, SYS_ADMIN)';
  if (thrown.errno === 'ENOSYS') return 'this kernel has no bpf(2)';
  // An unknown kind of program or map, or a field that is not there: Linux before 5.17.
  if (thrown.errno === 'EINVAL' || thrown.errno === 'EACCES')
    return `Linux 5.17 or newer is needed (${thrown.message})`;
  return thrown.message;
}
