/** A mount that the engine makes into every container: its source is in the folder that is named after the container. */
const ownMount = /\/containers\/([0-9a-f]{64})\/(?:hostname|hosts|resolv\.conf)$/;

export interface SelfClues {
  /** Contents of /proc/self/mountinfo; empty where it cannot be read. */
  readonly mountinfo: string;
  /** The host name; unless the operator chose another, the first 12 digits of the container's id. */
  readonly hostname: string;
  /** The containers that run here. */
  readonly ids: Iterable<string>;
}

/**
 * The id of the container whose network this process lives in: with `--net container:X` that is X, whose files the
 * engine mounts then.
 *
 * @returns undefined where the process is in no container, or none of the clues tells
 * Source: proc_pid_mountinfo(5): field 4 is the mount's root in its file system, field 5 where it is mounted
 */
export function selfContainerId(clues: SelfClues): string | undefined {
  for (const line of clues.mountinfo.split('\n')) {
    const [, , , root = '', mountPoint = ''] = line.split(' ');
    // Only these three: a host, or a container with the engine's folder mounted, has other containers' mounts in sight.
    if (!['/etc/hostname', '/etc/hosts', '/etc/resolv.conf'].includes(mountPoint)) continue;
    const id = ownMount.exec(root)?.[1];
    if (id !== undefined) return id;
  }
  if (!/^[0-9a-f]{12,64}$/.test(clues.hostname)) return undefined;
  const matches = [...clues.ids].filter((id) => id.startsWith(clues.hostname));
  return matches.length === 1 ? matches[0] : undefined;
}
