import type { Command } from './command.ts';
import type { Values } from './values.ts';

/** A command that is named by the first word, or by the name under which the program is called. */
export interface Subcommand {
  readonly name: string;
  /** The whole text of its `--help`. */
  readonly usage: string;
  /** @returns undefined where something is wrong; `values` has what */
  read(values: Values, operands: readonly string[]): Command | undefined;
}
