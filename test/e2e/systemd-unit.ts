/**
 * A unit's commands, run as systemd would run them where there is none.
 *
 *     const unit = await SystemdUnit.read(path, { run, replace: (line) => line });
 *     await unit.start();
 *     assert.equal((await unit.stop())?.code, 0);
 */
import { readFile } from 'node:fs/promises';
import type { Outcome } from './command.ts';

export interface SystemdUnitOptions {
  /** Runs a command line to its end. */
  readonly run: (argv: readonly string[]) => Promise<Outcome>;
  /** Makes a command line one of this machine's. */
  readonly replace: (line: string) => string;
}

export class SystemdUnit {
  /** By key, each without its prefixes. */
  readonly #commands: ReadonlyMap<string, readonly { line: string; mayFail: boolean }[]>;
  readonly #run: SystemdUnitOptions['run'];
  #main: Promise<Outcome> | undefined;

  private constructor(text: string, { run, replace }: SystemdUnitOptions) {
    // systemd.syntax(7): a backslash at the end of a line stands for a space.
    const lines = [...text.replace(/\\\n/g, ' ').matchAll(/^(?<key>Exec\w+)=(?<minus>-?)(?<line>.*)$/gm)];
    const commands = lines.map(({ groups }) => ({
      key: groups?.key ?? '',
      line: replace(groups?.line ?? ''),
      mayFail: groups?.minus === '-',
    }));
    this.#commands = Map.groupBy(commands, ({ key }) => key);
    this.#run = run;
  }

  static async read(path: string, options: SystemdUnitOptions): Promise<SystemdUnit> {
    return new SystemdUnit(await readFile(path, 'utf8'), options);
  }

  /** What precedes the start, in order, and then the start, which goes on. @throws Error where what precedes it fails */
  async start(): Promise<void> {
    await this.#all('ExecStartPre');
    const [main] = this.#commands.get('ExecStart') ?? [];
    this.#main = this.#run(shell(main?.line ?? ''));
    // Told by `stop`; a test that fails before would not want to hear of it.
    this.#main.catch(() => {});
  }

  /** @returns how the main command has ended, once the stop has */
  async stop(): Promise<Outcome | undefined> {
    await this.#all('ExecStop');
    return this.#main;
  }

  /** What the main command has said, where it has ended; nothing where it runs. */
  async outcome(): Promise<string> {
    const ended = await Promise.race([this.#main, undefined]);
    return ended === undefined ? '' : `exit code ${ended.code}\n${ended.stdout}${ended.stderr}`;
  }

  async #all(key: string): Promise<void> {
    for (const { line, mayFail } of this.#commands.get(key) ?? []) {
      const { code, stderr } = await this.#run(shell(line));
      if (code !== 0 && !mayFail) throw new Error(`${line}: exit code ${code}\n${stderr}`);
    }
  }
}

/** Close enough: quotes and ${VARIABLE} mean the same in both. */
function shell(line: string): string[] {
  return ['sh', '-c', line];
}
