/**
 * What an engine leaves behind when it is killed: shims with their containers, and mounts. Found by the path of the
 * engine's own directory, which nothing else on the machine names.
 *
 *     await endProcessesNaming('/tmp/nce-x/containerd.sock');
 *     await removeRemains('/tmp/nce-x');
 */
import { existsSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { command, output } from './command.ts';

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly commandLine: string;
}

/** Processes whose arguments name the path. */
export async function processesNaming(path: string): Promise<number[]> {
  return (await processes()).filter(({ commandLine }) => commandLine.includes(path)).map(({ pid }) => pid);
}

/** Mount points at or below the directory, the innermost first. */
export async function mountsBelow(directory: string): Promise<string[]> {
  const table = await readFile('/proc/self/mountinfo', 'utf8');
  const points = table.split('\n').map((line) => line.split(' ')[4] ?? '');
  return points.filter((point) => point === directory || point.startsWith(`${directory}/`)).reverse();
}

/**
 * Kills the processes whose arguments name the path, and their children (a shim's are containers), and waits for them.
 *
 * @param spared a pid that stays
 */
export async function endProcessesNaming(path: string, spared?: number): Promise<void> {
  for (let round = 0; round < 100; round++) {
    const all = await processes();
    const named = all.filter(({ pid, commandLine }) => pid !== spared && commandLine.includes(path));
    if (named.length === 0) return;
    const parents = new Set(named.map(({ pid }) => pid));
    // Children first: a shim that sees its container end tidies up before it ends itself.
    const children = all.filter(({ parent }) => parents.has(parent));
    for (const { pid } of round < 20 && children.length > 0 ? children : named) kill(pid);
    await delay(50);
  }
  throw new Error(`processes that name ${path} do not end`);
}

/** Beginning of the directory of an engine that the process starts; the rest makes it unique. Its namespace is called alike. */
export function enginePrefix(pid: number): string {
  return join(tmpdir(), `nce-${pid}-`);
}

/** Removes what an engine without processes has left: mounts, namespace, files. Nothing left is no error. */
export async function removeRemains(directory: string): Promise<void> {
  for (const point of await mountsBelow(directory)) await output('umount', ['--lazy', point]);
  await command('ip', ['netns', 'delete', basename(directory)]);
  await rm(directory, { recursive: true, force: true });
}

/** Removes the engines of test processes that were killed before they could close them. */
export async function removeOrphans(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const owner = /^nce-(\d+)-\w+$/.exec(name)?.[1];
    if (owner === undefined || existsSync(`/proc/${owner}`)) continue;
    const directory = join(tmpdir(), name);
    await endProcessesNaming(directory);
    await removeRemains(directory);
  }
}

async function processes(): Promise<Process[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(pids.filter((pid) => pid !== process.pid).map(readProcess));
  return found.filter((entry) => entry !== undefined);
}

async function readProcess(pid: number): Promise<Process | undefined> {
  try {
    const commandLine = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ');
    // proc_pid_stat(5): the name in parentheses may hold anything; state and parent follow the last one.
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    return { pid, parent, commandLine };
  } catch {
    return undefined; // ended while we looked
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Ended meanwhile.
  }
}
