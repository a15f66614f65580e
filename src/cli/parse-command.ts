import minimist from 'minimist';
import type { Backend } from '../backend/backend.ts';
import { parseDescriptor } from '../backend/parse.ts';
import { AppError } from '../core/errors.ts';
import { nearestWord } from '../core/nearest.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type { Command } from './command.ts';
import { flags } from './flags.ts';
import { readLogLevel, readRules, readRun, readSettings } from './settings.ts';
import { type Environment, Values } from './values.ts';

const defaultPort = 10_000;

/** The port that a static forward listens on where none is named: that of its first backend. */
function firstPort({ source }: Backend): number | undefined {
  if (source.kind === 'static') return source.endpoints[0]?.port;
  return source.kind === 'docker' ? source.port : undefined;
}

function readForward(values: Values, descriptor: string): Command | undefined {
  const backend = parseDescriptor(descriptor);
  if (!backend.ok) {
    values.problems.push(`${JSON.stringify(descriptor)}, ${backend.error.message}`);
    return undefined;
  }
  const port = values.port('port') ?? firstPort(backend.value) ?? defaultPort;
  // Whoever writes a command line may lead it where he likes; only a container's own descriptor is a stranger's.
  const settings = { ...readSettings(values, port), allowLocalTargets: true, backend: backend.value };
  return { kind: 'forward', run: readRun(values), settings };
}

function readCommand(values: Values, positional: readonly string[]): Command | undefined {
  const { problems } = values;
  if (values.has('help')) return { kind: 'help' };
  if (values.has('version')) return { kind: 'version' };
  const modes = ['omnimode', 'setup-iptables', 'cleanup-iptables', 'health'].filter((name) =>
    values.has(name),
  );
  const asked = [...modes.map((name) => `--${name}`), ...positional.map((text) => JSON.stringify(text))];
  if (asked.length > 1) {
    problems.push(
      `${asked.join(' and ')}: one at a time (several backends are one argument, with commas and no spaces)`,
    );
    return undefined;
  }
  switch (modes[0]) {
    case 'omnimode': {
      const port = values.port('port') ?? defaultPort;
      const rules = readRules(values, port);
      const manageRules =
        values.read('rules', 'auto or off', (text) => ({ auto: true, off: false })[text]) ?? true;
      const settings = { ...readSettings(values, port), rules, manageRules };
      return { kind: 'omni', run: readRun(values), settings };
    }
    case 'setup-iptables':
      return {
        kind: 'setup-rules',
        rules: readRules(values, values.port('port') ?? defaultPort),
        logLevel: readLogLevel(values),
      };
    case 'cleanup-iptables':
      return { kind: 'cleanup-rules', logLevel: readLogLevel(values) };
    case 'health': {
      const port = values.port('port');
      return { kind: 'health', ...(port === undefined ? {} : { port }) };
    }
  }
  if (positional[0] !== undefined) return readForward(values, positional[0]);
  problems.push('nothing to do: give --omnimode, or a backend such as redis.example.com:6379');
  return undefined;
}

/**
 * Reads a command line and the environment.
 *
 * @param argv without the program's own name
 * @returns ERR_USAGE with every problem found, a line each
 */
export function parseCommand(argv: readonly string[], env: Environment): Result<Command> {
  const unknown: string[] = [];
  const names = flags.flatMap((flag) => (flag.alias === undefined ? [flag.name] : [flag.name, flag.alias]));
  const given = minimist([...argv], {
    string: ['_', ...flags.filter((flag) => flag.value !== undefined).map((flag) => flag.name)],
    boolean: flags.filter((flag) => flag.value === undefined).map((flag) => flag.name),
    alias: Object.fromEntries(
      flags.flatMap((flag) => (flag.alias === undefined ? [] : [[flag.alias, flag.name]])),
    ),
    unknown: (argument) => {
      if (!argument.startsWith('-')) return true;
      const typed = argument.replace(/^--?/, '').replace(/=.*$/s, '');
      const near = nearestWord(
        typed,
        names.filter((name) => name.length > 1),
      );
      unknown.push(
        `${argument.replace(/=.*$/s, '')}: no such flag${near === undefined ? '' : `; did you mean --${near}?`}`,
      );
      return false;
    },
  });
  const values = new Values(given, env);
  const command = readCommand(values, given._);
  const problems = [...unknown, ...values.problems];
  if (command !== undefined && problems.length === 0) return ok(command);
  return fail(new AppError('ERR_USAGE', problems.join('\n')));
}
