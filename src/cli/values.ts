import type minimist from 'minimist';
import { parsePort } from '../core/address.ts';
import { parseDuration } from '../core/duration.ts';
import { flags } from './flags.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Reads values by flag name, a flag before its environment variable, and gathers what is wrong with them. */
export class Values {
  /** What is wrong with a value. */
  readonly problems: string[] = [];
  /** What is wrong with the command line as a whole. */
  readonly shapeProblems: string[] = [];
  /** What is accepted and has no effect. */
  readonly notices: string[] = [];
  readonly #given: minimist.ParsedArgs;
  readonly env: Environment;

  constructor(given: minimist.ParsedArgs, env: Environment) {
    this.#given = given;
    this.env = env;
  }

  has(name: string): boolean {
    return this.#given[name] === true;
  }

  /** Whether the command line itself names a flag, with a value or as a switch. */
  isGiven(name: string): boolean {
    const given: unknown = this.#given[name];
    return given !== undefined && given !== false;
  }

  text(name: string): { readonly value: string; readonly where: string } | undefined {
    const given: unknown = this.#given[name];
    const last: unknown = Array.isArray(given) ? given.at(-1) : given;
    if (typeof last === 'string') {
      if (last === '') this.problems.push(`--${name}: a value is missing after it`);
      return last === '' ? undefined : { value: last, where: `--${name}` };
    }
    const variable = flags.find((flag) => flag.name === name)?.env;
    const value = variable === undefined ? undefined : this.env[variable];
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

/** A name that is one part of a registry's path; `what` begins the complaint where it is none. */
export function wholeName(values: Values, what: string, name: string): string | undefined {
  if (/^[^\s/?\p{Cc}]{1,255}$/u.test(name)) return name;
  values.problems.push(`${what}: expected a name without "/", "?" and spaces, found ${JSON.stringify(name)}`);
  return undefined;
}
