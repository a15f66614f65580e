import minimist from 'minimist';
import { nearestWord } from '../core/nearest.ts';
import { flags } from './flags.ts';
import { flagNotices, obsoleteFlags } from './obsolete.ts';
import { type Environment, Values } from './values.ts';

/** A command line, taken apart: nothing is decided yet. */
export interface Arguments {
  readonly values: Values;
  readonly positional: readonly string[];
  /** A line for each flag that nobody knows. */
  readonly unknown: readonly string[];
}

/** Go's flags have one dash or two (`-provider=docker`); to minimist one dash is a cluster of one-letter flags. */
function withTwoDashes(argument: string): string {
  return /^-[a-z][a-z_-]/i.test(argument) ? `-${argument}` : argument;
}

/** A flag that may stand without a value: what that means is written out, so that it does not take the next argument. */
function spelledOut(argument: string, next: string | undefined): string {
  const flag = flags.find(({ name }) => argument === `--${name}`);
  const isBare = next === undefined || next.startsWith('-');
  return flag?.bare !== undefined && isBare ? `${argument}=${flag.bare}` : argument;
}

/** @param argv without the program's own name */
export function readArguments(argv: readonly string[], env: Environment): Arguments {
  const end = argv.indexOf('--');
  const flagPart = (end === -1 ? argv : argv.slice(0, end)).map(withTwoDashes);
  const rest = end === -1 ? [] : argv.slice(end);
  const words = [...flagPart.map((word, index) => spelledOut(word, flagPart[index + 1])), ...rest];

  const obsolete = new Set<string>();
  const unknown: string[] = [];
  const given = minimist(words, {
    string: [
      '_',
      ...[...flags, ...obsoleteFlags].filter((flag) => flag.value !== undefined).map(({ name }) => name),
    ],
    boolean: flags.filter((flag) => flag.value === undefined).map(({ name }) => name),
    alias: Object.fromEntries(
      flags.flatMap((flag) => (flag.alias === undefined ? [] : [[flag.alias, flag.name]])),
    ),
    unknown: (argument) => {
      if (!argument.startsWith('-')) return true;
      const name = argument.replace(/^--?/, '').replace(/=.*$/s, '');
      if (obsoleteFlags.some((flag) => flag.name === name)) obsolete.add(name);
      else unknown.push(unknownFlag(argument, name));
      return false;
    },
  });
  for (const { name } of obsoleteFlags) if (given[name] !== undefined) obsolete.add(name);
  const values = new Values(given, env);
  values.notices.push(...flagNotices(obsolete));
  return { values, positional: given._, unknown };
}

function unknownFlag(argument: string, name: string): string {
  const known = flags.map((flag) => flag.name);
  const near = nearestWord(name, known);
  const hint = near === undefined ? '' : `; did you mean --${near}?`;
  return `${argument.replace(/=.*$/s, '')}: no such flag${hint}`;
}
