/**
 * The ambassador's container, as an operator starts it, and its log as a test reads it.
 *
 *     const ambassador = await Ambassador.start(engine, { links: ['redis-1'] });
 *     await engine.docker.run({ image: testImage, name: 'caller', links: ['backends'], env: { BACKEND_6379: 'redis-1:6379' }, … });
 *     const line = await ambassador.connection({ caller: 'caller' });
 *
 * Backends and callers that tests share are in containers.ts.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Outcome } from './command.ts';
import type { RunOptions } from './docker.ts';
import type { Engine } from './engine.ts';
import { ambassadorImage } from './images.ts';
import { until } from './until.ts';

/** One line of the ambassador's log. */
export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly timestamp: string;
  readonly [field: string]: unknown;
}

/** A text is looked for in the message; fields must be there with these values. */
export type LineMatch = string | RegExp | Readonly<Record<string, unknown>>;

export interface AmbassadorOptions extends Omit<RunOptions, 'image'> {
  /** False: the engine's socket is not mounted. */
  readonly socket?: boolean;
  /** What it says when it is ready, where that is not what an ambassador says. */
  readonly ready?: RegExp;
  /** False: NET_ADMIN is not given, and the rules are another container's work. */
  readonly netAdmin?: boolean;
}

/** What an ambassador to which connections are brought says last but one when it starts; any other has only the listener's line. */
const readyLines = {
  rules: /^(?:nat rules (?:set|are)|connections are steered) /,
  listener: /^listening on /,
};

/** Whether a command line has to do with rules; none at all is embassy's image. */
function hasRules(args: readonly string[]): boolean {
  return args.length === 0 || ['--omnimode', '--dnat', '--redirect'].some((flag) => args.includes(flag));
}

export class Ambassador {
  readonly name: string;
  readonly #engine: Engine;
  readonly #ready: RegExp;
  /** How many lines an earlier run of this container has written. */
  #earlier = 0;

  private constructor(engine: Engine, name: string, ready: RegExp) {
    this.#engine = engine;
    this.name = name;
    this.#ready = ready;
  }

  /**
   * Starts `backends --omnimode`, or what the options say, on the default bridge; it serves when this returns.
   *
   * @throws Error with its log where it does not come up
   */
  static async start(engine: Engine, options: AmbassadorOptions = {}): Promise<Ambassador> {
    const { socket = true, netAdmin = true, args = ['--omnimode'], name = 'backends', ...rest } = options;
    const ready = options.ready ?? (hasRules(args) ? readyLines.rules : readyLines.listener);
    const ambassador = new Ambassador(engine, name, ready);
    await engine.docker.run({
      image: ambassadorImage,
      ...rest,
      name,
      args,
      volumes: [...(socket ? [engine.socketMount] : []), ...(rest.volumes ?? [])],
      capAdd: [...(netAdmin ? ['NET_ADMIN'] : []), ...(rest.capAdd ?? [])],
    });
    await ambassador.#untilReady();
    return ambassador;
  }

  /** Starts a container again that has ended or was killed; from then on only its new lines count. */
  async startAgain(): Promise<void> {
    this.#earlier += (await this.lines()).length;
    await this.#engine.docker.cli(['start', this.name]);
    await this.#untilReady();
  }

  /** What it has logged in this run. */
  async lines(): Promise<LogLine[]> {
    const text = await this.#engine.docker.logs(this.name);
    return text
      .split('\n')
      .filter((line) => line !== '')
      .slice(this.#earlier)
      .map(readLine);
  }

  /**
   * Waits for a line; without `from` any line of this run counts.
   *
   * @param from how many lines to leave out, from an earlier `mark`
   * @throws Error with the whole log where it does not come in time (15 s)
   */
  line(match: LineMatch, from = 0): Promise<LogLine> {
    const look = async () => (await this.lines()).slice(from).find((line) => matches(line, match));
    const otherwise = () => this.#engine.docker.logs(this.name);
    return until(`a log line of ${this.name} with ${describe(match)}`, look, { otherwise });
  }

  /** The line at the end of a connection, waited for. */
  connection(fields: Readonly<Record<string, unknown>>, from = 0): Promise<LogLine> {
    return this.line({ message: 'connection', ...fields }, from);
  }

  /** How many lines there are by now: what comes later is news. */
  async mark(): Promise<number> {
    return (await this.lines()).length;
  }

  /** Asks as the image's HEALTHCHECK does. */
  health(): Promise<Outcome> {
    return this.#engine.docker.exec(this.name, ['/start', '--health']);
  }

  /**
   * Sends a signal and waits for the end.
   *
   * @returns the exit code
   */
  async end(signal: 'TERM' | 'INT' | 'KILL' = 'TERM'): Promise<number> {
    await this.#engine.docker.cli(['kill', '--signal', signal, this.name]);
    return Number(await this.#engine.docker.cli(['wait', this.name]));
  }

  async #untilReady(): Promise<void> {
    const look = async () => {
      if ((await this.lines()).some(({ message }) => this.#ready.test(message))) return 'ready';
      const isRunning = (await this.#engine.docker.inspect(this.name, '{{.State.Running}}')) === 'true';
      return isRunning ? undefined : 'ended';
    };
    const otherwise = () => this.#engine.docker.logs(this.name);
    const state = await until(`${this.name} to be ready`, look, { withinMs: 30_000, otherwise });
    if (state === 'ended') throw new Error(`${this.name} has ended:\n${await otherwise()}`);
  }
}

/** What is no JSON object (the line of a failed start, a warning of Node's) becomes a message. */
function readLine(text: string): LogLine {
  if (!text.startsWith('{')) return { level: '', message: text, timestamp: '' };
  return JSON.parse(text) as LogLine;
}

function matches(line: LogLine, match: LineMatch): boolean {
  if (typeof match === 'string') return line.message.includes(match);
  if (match instanceof RegExp) return match.test(line.message);
  return Object.entries(match).every(([name, value]) => isDeepStrictEqual(line[name], value));
}

function describe(match: LineMatch): string {
  return match instanceof RegExp ? String(match) : JSON.stringify(match);
}
