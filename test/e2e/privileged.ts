import { readFile } from 'node:fs/promises';
import type { Docker } from './docker.ts';

/**
 * Whether this machine's engines can start a container with `--privileged`: that asks for every capability that the
 * kernel knows, and a machine which lacks one itself (a container, a sandbox) cannot give it.
 *
 * Source: capabilities(7), the bounding set; /proc/sys/kernel/cap_last_cap
 */
export async function canBePrivileged(): Promise<boolean> {
  const last = Number(await readFile('/proc/sys/kernel/cap_last_cap', 'utf8'));
  const status = await readFile('/proc/self/status', 'utf8');
  const bounding = BigInt(`0x${/^CapBnd:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  return bounding === (1n << BigInt(last + 1)) - 1n;
}

/**
 * A command line of docker as it can be run here: where `--privileged` cannot, the one capability that the rules need
 * takes its place, and `tell` hears of it.
 */
export async function runnable(argv: readonly string[], tell: (note: string) => void): Promise<string[]> {
  const isAsked = (word: string) => word === '--privileged' || word === '--privileged=true';
  if (!argv.some(isAsked) || (await canBePrivileged())) return [...argv];
  tell('this machine lacks a capability itself: --cap-add NET_ADMIN is used in place of --privileged');
  return argv.flatMap((word) => (isAsked(word) ? ['--cap-add', 'NET_ADMIN'] : [word]));
}

/** The capability by which an engine lets a container load programs into the kernel: those before 23.0 have no BPF. */
export async function bpfCapability(docker: Docker): Promise<'BPF' | 'SYS_ADMIN'> {
  const version = await docker.cli(['version', '--format', '{{.Server.Version}}']);
  return Number.parseInt(version, 10) >= 23 ? 'BPF' : 'SYS_ADMIN';
}
