/** Nuncio as users run it, in omni mode: a real rule, a real original destination; Docker's API is stood in for. */
import { join } from 'node:path';
import { FakeEngine } from '../../unit/docker/fake-engine.ts';
import type { Bed } from '../bed/bed.ts';
import { projectRoot } from '../bed/machine.ts';
import { Program } from '../bed/program.ts';
import { containers } from './containers.ts';

const main = join(projectRoot, 'dist/main.js');
/** Not the default, on which a Nuncio of the host's own may listen: they would share a health socket. */
const proxyPort = 10_017;

export interface NuncioOptions {
  readonly kernel: 'off' | 'require';
  /** How connections come to the proxy. */
  readonly rules: 'auto' | 'nat';
  readonly routes: number;
  /** Of a process in the caller's namespace. */
  readonly callerPid: number;
  readonly extraArguments: readonly string[];
}

/** The program with the engine that it asks. */
export async function startNuncio(
  bed: Bed,
  options: NuncioOptions,
): Promise<{ program: Program; engine: FakeEngine }> {
  const engine = await FakeEngine.listen();
  for (const container of containers(bed.caller, bed.backend, options.callerPid, options.routes)) {
    engine.run(container);
  }
  const args = [
    '--omnimode',
    '--port',
    String(proxyPort),
    '--docker',
    engine.host,
    '--drain',
    '0s',
    `--kernel=${options.kernel}`,
    `--rules=${options.rules}`,
  ];
  const program = new Program(
    bed.ambassador,
    process.execPath,
    ['--max-semi-space-size=4', main, ...args, ...options.extraArguments],
    // At its usual log level, which writes a line for each connection. Nothing of this machine's environment.
    { logFile: join(bed.folder, 'nuncio.log'), env: { PATH: process.env.PATH } },
  );
  return { program, engine };
}
