import { AppError } from '../core/errors.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { type Arguments, readArguments } from './arguments.ts';
import type { Command } from './command.ts';
import { adminPortProblem } from './read-admin.ts';
import { isConnectable, readConnectable } from './read-connectable.ts';
import { dynamic, isDynamic } from './read-dynamic.ts';
import { isEmbassy, readEmbassy } from './read-embassy.ts';
import { defaultPort, readForward, readLinkForwards } from './read-forward.ts';
import { readLocalhostRules } from './read-localhost-rules.ts';
import { readOmni } from './read-omni.ts';
import { readResolve } from './read-resolve.ts';
import { readLogLevel, readRules } from './settings.ts';
import { subcommands } from './subcommands.ts';
import type { Environment } from './values.ts';

/** A command, and what of its line has no effect. */
export interface CommandLine {
  readonly command: Command;
  /** A line each. */
  readonly notices: readonly string[];
}

type Exists = (path: string) => boolean;

const modes = ['omnimode', 'links', 'setup-iptables', 'cleanup-iptables', 'health'] as const;

function readCommand({ values, positional }: Arguments, argc: number, exists?: Exists): Command | undefined {
  const { shapeProblems } = values;
  const subcommand = subcommands.get(positional[0]);
  if (values.has('help')) return { kind: 'help', ...(subcommand ? { of: subcommand.name } : {}) };
  if (values.has('version')) return { kind: 'version' };
  if (subcommand !== undefined) return subcommand.read(values, positional.slice(1));
  if (positional[0] === 'resolve') return readResolve(values, positional.slice(1));
  if (positional[0] === 'localhost-rules') return readLocalhostRules(values, positional.slice(1));
  if (values.has('watch')) shapeProblems.push('--watch: belongs to resolve');
  const asked = modes.filter((name) => values.isGiven(name));
  const parts = [...asked.map((name) => `--${name}`), ...positional.map((text) => JSON.stringify(text))];
  if (parts.length > 1) {
    shapeProblems.push(
      `${parts.join(' and ')}: one at a time (several backends are one argument, with commas and no spaces)`,
    );
    return undefined;
  }
  switch (asked[0]) {
    case 'omnimode':
      return readOmni(values);
    case 'links':
      return readLinkForwards(values);
    case 'setup-iptables': {
      const rules = readRules(values, values.port('port') ?? defaultPort);
      return { kind: 'setup-rules', rules, logLevel: readLogLevel(values) };
    }
    case 'cleanup-iptables':
      return { kind: 'cleanup-rules', logLevel: readLogLevel(values) };
    case 'health': {
      const port = values.port('port');
      return { kind: 'health', ...(port === undefined ? {} : { port }) };
    }
  }
  if (positional[0] !== undefined) return readForward(values, positional[0]);
  if (isDynamic(argc, values.env)) return dynamic.read(values, []);
  if (isEmbassy(values, argc)) return readEmbassy(values, argc);
  if (isConnectable(argc, values.env, exists)) return readConnectable(values);
  shapeProblems.push('nothing to do: give --omnimode, or a backend such as redis.example.com:6379');
  return undefined;
}

/**
 * Reads a command line and the environment.
 *
 * @param argv without the program's own name
 * @param exists as of node:fs
 * @returns ERR_USAGE with every problem found, a line each
 */
export function parseCommand(
  argv: readonly string[],
  env: Environment,
  exists?: Exists,
): Result<CommandLine> {
  const given = readArguments(argv, env);
  const { values, unknown } = given;
  const command = readCommand(given, argv.length, exists);
  const clash = command === undefined ? undefined : adminPortProblem(command);
  if (clash !== undefined) values.problems.push(clash);
  // A flag that is not known may be the mode itself, or leave its value behind as a second backend: what follows from
  // that is no news.
  const problems = [...unknown, ...values.problems, ...(unknown.length === 0 ? values.shapeProblems : [])];
  if (command !== undefined && problems.length === 0) return ok({ command, notices: values.notices });
  return fail(new AppError('ERR_USAGE', problems.join('\n')));
}
