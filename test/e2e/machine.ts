import { command } from './command.ts';

const programs = ['docker', 'dockerd', 'containerd', 'ip', 'nsenter', 'umount'];

/** @throws Error that names what an end-to-end test lacks on this machine */
export async function requireMachine(): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new Error('the end-to-end tests make network namespaces and run an engine: run them as root');
  }
  const missing: string[] = [];
  for (const program of programs) {
    const { code } = await command('sh', ['-c', 'command -v "$1"', 'sh', program]);
    if (code !== 0) missing.push(program);
  }
  if (missing.length > 0) {
    throw new Error(`the end-to-end tests need ${missing.join(', ')}: scripts/test installs what is missing`);
  }
}
