import minimist from 'minimist';
import type { ProxySettings } from '../ambassador.ts';
import type { Backend } from '../backend/backend.ts';
import { parseDescriptor } from '../backend/parse.ts';
import { canonicalIp, parsePort } from '../core/address.ts';
import { parseDuration } from '../core/duration.ts';
import { AppError } from '../core/errors.ts';
import { nearestWord } from '../core/nearest.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type { RuleSettings } from '../nat/settings.ts';
import { type Command, type LogLevel, logLevels, type RunSettings } from './command.ts';
import { flags } from './flags.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const defaultPort = 10_000;
const defaultDockerHost = 'unix:///var/run/docker.sock';

/** Reads values by flag name, a flag before its environment variable, and gathers what is wrong with them. */
class Values {
  readonly problems: string[] = [];
  readonly #given: minimist.ParsedArgs;
  readonly #env: Environment;

  constructor(given: minimist.ParsedArgs, env: Environment) {
    this.#given = given;
    this.#env = env;
  }

  has(name: string): boolean {
    return this.#given[name] === true;
  }

  text(name: string): { readonly value: string; readonly where: string } | undefined {
    const given: unknown = this.#given[name];
    const last: unknown = Array.isArray(given) ? given.at(-1) : given;
    if (typeof last === 'string') {
      if (last === '') this.problems.push(`--${name}: a value is missing after it`);
      return last === '' ? undefined : { value: last, where: `--${name}` };
    }
    const variable = flags.find((flag) => flag.name === name)?.env;
    const value = variable === undefined ? undefined : this.#env[variable];
    return value === undefined || value === ''
      ? undefined
      : { value, where: `${variable} in the environment` };
  }

  /** @param expected completes "expected …" */
  read<T>(name: string, expected: string, parse: (text: string) => T | undefined): T | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = parse(text.value);
    if (value === undefined)
      this.problems.push(`${text.where}: expected ${expected}, found ${JSON.stringify(text.value)}`);
    return value;
  }

  port(name: string): number | undefined {
    return this.read(name, 'a port (1 to 65535)', parsePort);
  }

  duration(name: string, fallbackMs: number): number {
    return this.read(name, 'a time such as 500ms, 30s or 2m', parseDuration) ?? fallbackMs;
  }

  list<T>(name: string, expected: string, parse: (text: string) => T | undefined): T[] {
    const items = this.read(name, expected, (text) => {
      const parsed = text.split(',').map((item) => parse(item.trim()));
      return parsed.includes(undefined) ? undefined : (parsed as T[]);
    });
    return items ?? [];
  }
}

function isLogLevel(text: string): text is LogLevel {
  return logLevels.some((level) => level === text);
}

function readLogLevel(values: Values): LogLevel {
  const parse = (text: string) => {
    const level = text.toLowerCase();
    return isLogLevel(level) ? level : undefined;
  };
  return values.read('log-level', `one of ${logLevels.join(', ')}`, parse) ?? 'info';
}

function readRun(values: Values): RunSettings {
  return { logLevel: readLogLevel(values), drainMs: values.duration('drain', 30_000) };
}

function readSettings(values: Values, port: number, env: Environment): ProxySettings {
  const maxConnections = values.read('max-connections', 'a number of connections, at least 1', (text) =>
    /^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined,
  );
  return {
    port,
    connectTimeoutMs: values.duration('connect-timeout', 2000),
    allowLocalTargets: values.has('allow-local-targets'),
    engine: {
      host: values.text('docker')?.value ?? defaultDockerHost,
      ...(env.DOCKER_TLS_VERIFY === undefined ? {} : { tlsVerify: env.DOCKER_TLS_VERIFY }),
      ...(env.DOCKER_CERT_PATH === undefined ? {} : { certPath: env.DOCKER_CERT_PATH }),
    },
    ...(maxConnections === undefined ? {} : { maxConnections }),
  };
}

function readRules(values: Values, proxyPort: number): RuleSettings {
  const adminPort = values.port('admin-port');
  const takePorts = values.list('take-ports', 'ports (1 to 65535) between commas', parsePort);
  if (!values.has('dnat')) {
    if (takePorts.length > 0) values.problems.push('--take-ports: belongs to --dnat, which is not given');
    return { proxyPort, ...(adminPort === undefined ? {} : { adminPort }) };
  }
  const proxyIps = values.list('proxy-ip', 'IP addresses between commas', canonicalIp);
  return { proxyPort, dnat: { proxyIps, takePorts }, ...(adminPort === undefined ? {} : { adminPort }) };
}

/** The port that a static forward listens on where none is named: that of its first backend. */
function firstPort({ source }: Backend): number | undefined {
  if (source.kind === 'static') return source.endpoints[0]?.port;
  return source.kind === 'docker' ? source.port : undefined;
}

function readForward(values: Values, descriptor: string, env: Environment): Command | undefined {
  const backend = parseDescriptor(descriptor);
  if (!backend.ok) {
    values.problems.push(`${JSON.stringify(descriptor)}, ${backend.error.message}`);
    return undefined;
  }
  const port = values.port('port') ?? firstPort(backend.value) ?? defaultPort;
  // Whoever writes a command line may lead it where he likes; only a container's own descriptor is a stranger's.
  const settings = { ...readSettings(values, port, env), allowLocalTargets: true, backend: backend.value };
  return { kind: 'forward', run: readRun(values), settings };
}

function readCommand(values: Values, positional: readonly string[], env: Environment): Command | undefined {
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
      const settings = { ...readSettings(values, port, env), rules, manageRules };
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
  if (positional[0] !== undefined) return readForward(values, positional[0], env);
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
  const command = readCommand(values, given._, env);
  const problems = [...unknown, ...values.problems];
  if (command !== undefined && problems.length === 0) return ok(command);
  return fail(new AppError('ERR_USAGE', problems.join('\n')));
}
