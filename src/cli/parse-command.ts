import minimist from 'minimist';
import { type Backend, withDialledPort } from '../backend/backend.ts';
import { parseDescriptor } from '../backend/parse.ts';
import { AppError } from '../core/errors.ts';
import { nearestWord } from '../core/nearest.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type { Command } from './command.ts';
import { readDiscovery, readRegistries, readServiceDiscovery } from './discovery-settings.ts';
import { pointAt } from './endpoint-report.ts';
import { flags } from './flags.ts';
import { readEngine, readLogLevel, readRules, readRun, readSettings } from './settings.ts';
import { type Environment, Values } from './values.ts';

const defaultPort = 10_000;

/** The port that a static forward listens on where none is named: that of its first backend. */
function firstPort({ source }: Backend): number | undefined {
  if (source.kind === 'static') return source.endpoints[0]?.port;
  return source.kind === 'docker' ? source.port : undefined;
}

function readBackend(values: Values, descriptor: string): Backend | undefined {
  const backend = parseDescriptor(descriptor);
  if (backend.ok) return backend.value;
  values.problems.push(`${backend.error.message}\n${pointAt(descriptor, backend.error.column ?? 1)}`);
  return undefined;
}

/** Whoever writes a command line may lead it where he likes; only a container's own descriptor is a stranger's. */
const trusted = { allowLocalTargets: true };
const everyFile = { fileRoots: ['/'] };

function readForward(values: Values, descriptor: string): Command | undefined {
  const backend = readBackend(values, descriptor);
  if (backend === undefined) return undefined;
  const port = values.port('port') ?? firstPort(backend) ?? defaultPort;
  const settings = readSettings(values, port);
  const discovery = { ...settings.discovery, ...everyFile };
  return { kind: 'forward', run: readRun(values), settings: { ...settings, ...trusted, discovery, backend } };
}

function readResolve(values: Values, descriptors: readonly string[]): Command | undefined {
  const [descriptor, ...more] = descriptors;
  if (descriptor === undefined || more.length > 0) {
    values.problems.push('resolve: give one descriptor, such as: nuncio resolve redis.service.consul');
    return undefined;
  }
  const parsed = readBackend(values, descriptor);
  const port = values.port('port');
  if (parsed === undefined) return undefined;
  const backend = port === undefined ? parsed : withDialledPort(parsed, port);
  if (backend.source.kind === 'docker' && backend.source.port === undefined) {
    values.problems.push(
      `resolve: which port? ${descriptor}:80, or --port for the one that the caller dials`,
    );
  }
  const discovery = { ...readDiscovery(values), ...everyFile };
  const settings = { backend, isWatching: values.has('watch'), engine: readEngine(values), discovery };
  return { kind: 'resolve', settings, logLevel: readLogLevel(values) };
}

function readCommand(values: Values, positional: readonly string[]): Command | undefined {
  const { shapeProblems } = values;
  if (values.has('help')) return { kind: 'help' };
  if (values.has('version')) return { kind: 'version' };
  if (positional[0] === 'resolve') return readResolve(values, positional.slice(1));
  if (values.has('watch')) shapeProblems.push('--watch: belongs to resolve');
  const modes = ['omnimode', 'setup-iptables', 'cleanup-iptables', 'health'].filter((name) =>
    values.has(name),
  );
  const asked = [...modes.map((name) => `--${name}`), ...positional.map((text) => JSON.stringify(text))];
  if (asked.length > 1) {
    shapeProblems.push(
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
      const services = readServiceDiscovery(values);
      const registries = readRegistries(values);
      const settings = { ...readSettings(values, port), rules, manageRules, services, registries };
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
  shapeProblems.push('nothing to do: give --omnimode, or a backend such as redis.example.com:6379');
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
  // A flag that is not known may be the mode itself, or leave its value behind as a second backend: what follows from
  // that is no news.
  const problems = [...unknown, ...values.problems, ...(unknown.length === 0 ? values.shapeProblems : [])];
  if (command !== undefined && problems.length === 0) return ok(command);
  return fail(new AppError('ERR_USAGE', problems.join('\n')));
}
