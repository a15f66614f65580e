/** The machine under the benchmark, in words that may stand in a published file: no host name, no paths. */
import { execFile } from 'node:child_process';
import { cpus, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const execute = promisify(execFile);
export const projectRoot = fileURLToPath(new URL('../../..', import.meta.url));

export function machine(): string {
  const model = cpus()[0]?.model.replaceAll(/\s+/g, ' ').trim() ?? 'unknown processor';
  const memoryGb = Math.round(totalmem() / 1024 ** 3);
  return `${cpus().length} x ${model}, ${memoryGb} GB, Linux ${release()}`;
}

/** First version number that a program prints; undefined where it is not installed. */
async function versionOf(program: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const { stdout, stderr } = await execute(program, [...args], { timeout: 10_000 });
    return firstVersion(stdout + stderr);
  } catch (thrown) {
    // wrk prints its version with exit code 1.
    const { code, stdout = '', stderr = '' } = thrown as { code?: unknown; stdout?: string; stderr?: string };
    return code === 'ENOENT' ? undefined : firstVersion(stdout + stderr);
  }
}

function firstVersion(text: string): string {
  return /\d+\.\d+(?:[.\d]*\d)?/.exec(text)?.[0] ?? 'unknown';
}

/** What is measured and what measures, by name; a program that is not installed is left out. */
export async function versions(): Promise<Record<string, string>> {
  const asked: readonly (readonly [name: string, program: string, args: readonly string[]])[] = [
    ['haproxy', 'haproxy', ['-v']],
    ['nginx', 'nginx', ['-v']],
    ['wrk', 'wrk', ['-v']],
    ['iperf3', 'iperf3', ['--version']],
    ['nuncio', process.execPath, ['dist/main.js', '--version']],
  ];
  const found: Record<string, string> = {};
  for (const [name, program, args] of asked) {
    const version = await versionOf(program, args);
    if (version !== undefined) found[name] = version;
  }
  const commit = await execute('git', ['describe', '--always', '--dirty'], { cwd: projectRoot }).catch(
    () => undefined,
  );
  if (commit !== undefined) found.commit = commit.stdout.trim();
  return { ...found, node: process.versions.node, kernel: release() };
}

export async function isInstalled(program: string): Promise<boolean> {
  return (await versionOf(program, ['-v'])) !== undefined;
}
