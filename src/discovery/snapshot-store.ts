import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { canonicalIp } from '../core/address.ts';
import { type Endpoint, endpointKey } from '../core/endpoint.ts';
import { AppError, codeOf, messageOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Part } from '../core/part.ts';

/** A set as a source told it. */
export interface Snapshot {
  /** ms since 1970 */
  readonly savedAt: number;
  readonly endpoints: readonly Endpoint[];
  /** By `endpointKey`: since when the endpoint has been in the set without a break, ms since 1970. */
  readonly since: Readonly<Record<string, number>>;
}

export interface SnapshotStoreOptions {
  /** Folder of the file; made where it is missing. */
  readonly directory: string;
  readonly logger: Logger;
  /** Reads and never writes. */
  readonly isReadOnly?: boolean;
  /** ms since 1970 */
  readonly now?: () => number;
}

/** The file's form. Another number is another form, which this build does not read. */
const version = 1;
const fileName = 'endpoints.json';
/** Changes that come within this time are written together, ms. */
const writeDelayMs = 1000;
/** What no descriptor has named for this long is dropped, ms. */
const maxAgeMs = 30 * 24 * 3_600_000;
/** Sources that are kept; the oldest ones go first. */
const maxSources = 10_000;

/**
 * The last good set of each source on disk: `endpoints.json`, `{version, sources: {<key>: {savedAt, endpoints, since}}}`.
 * Written aside, flushed, and renamed over, so that a crash leaves the old file or the new one. A file that cannot be
 * read is set aside as `endpoints.json.bad`; the ambassador starts without it.
 */
export class SnapshotStore implements Part {
  readonly #options: Required<SnapshotStoreOptions>;
  readonly #path: string;
  #sources = new Map<string, Snapshot>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #isFailing = false;
  #isStopped = false;

  constructor(options: SnapshotStoreOptions) {
    this.#options = { now: Date.now, isReadOnly: false, ...options };
    this.#path = join(options.directory, fileName);
  }

  /** @throws AppError ERR_CANNOT_START where the folder cannot be made or read */
  async start(): Promise<void> {
    try {
      if (!this.#options.isReadOnly) await mkdir(this.#options.directory, { recursive: true });
      await this.#read();
    } catch (thrown) {
      const text = `the state directory ${this.#options.directory} cannot be used: ${messageOf(thrown)} (--state-dir)`;
      throw new AppError('ERR_CANNOT_START', text, { cause: thrown });
    }
  }

  /** Writes what has not been written. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    if (this.#timer !== undefined) this.#write();
    await this.#writing;
  }

  get(key: string): Snapshot | undefined {
    return this.#sources.get(key);
  }

  keys(): Iterable<string> {
    return this.#sources.keys();
  }

  /** Takes a set in; it is on disk a second later. */
  set(key: string, endpoints: readonly Endpoint[]): void {
    if (this.#isStopped || this.#options.isReadOnly) return;
    // The last one written is the last in the map, so the first are the oldest.
    const before = this.#sources.get(key)?.since ?? {};
    const savedAt = this.#options.now();
    const since = Object.fromEntries(
      endpoints.map((e) => [endpointKey(e), before[endpointKey(e)] ?? savedAt]),
    );
    this.#sources.delete(key);
    this.#sources.set(key, { savedAt, endpoints, since });
    for (const oldest of this.#sources.keys()) {
      if (this.#sources.size <= maxSources) break;
      this.#sources.delete(oldest);
    }
    this.#timer ??= setTimeout(() => this.#write(), writeDelayMs);
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const text = JSON.stringify({ version, sources: Object.fromEntries(this.#sources) });
    this.#writing = this.#writing.then(() => this.#replace(text));
  }

  async #replace(text: string): Promise<void> {
    const { logger } = this.#options;
    try {
      await replaceFile(this.#path, text);
      if (this.#isFailing) logger.info(`${this.#path} is written again`);
      this.#isFailing = false;
    } catch (thrown) {
      if (!this.#isFailing)
        logger.error(`${this.#path} cannot be written: ${messageOf(thrown)}`, { code: codeOf(thrown) });
      this.#isFailing = true;
    }
  }

  async #read(): Promise<void> {
    let text: string;
    try {
      text = await readFile(this.#path, 'utf8');
    } catch (thrown) {
      if (codeOf(thrown) === 'ENOENT') return;
      throw thrown;
    }
    const sources = parseSnapshots(text);
    if (sources === undefined) {
      this.#options.logger.error(
        `${this.#path} is not a snapshot of this version; set aside as ${fileName}.bad`,
      );
      await rename(this.#path, `${this.#path}.bad`);
      return;
    }
    const oldest = this.#options.now() - maxAgeMs;
    this.#sources = new Map([...sources].filter(([, { savedAt }]) => savedAt >= oldest));
  }
}

/** @returns undefined where the text is anything but a whole snapshot of this version */
function parseSnapshots(text: string): Map<string, Snapshot> | undefined {
  try {
    const file: unknown = JSON.parse(text);
    if (!isObject(file) || file.version !== version || !isObject(file.sources)) return undefined;
    const sources = new Map<string, Snapshot>();
    for (const [key, value] of Object.entries(file.sources)) {
      if (!isSnapshot(value)) return undefined;
      sources.set(key, value);
    }
    return sources;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSnapshot(value: unknown): value is Snapshot {
  return (
    isObject(value) &&
    typeof value.savedAt === 'number' &&
    Array.isArray(value.endpoints) &&
    value.endpoints.every(isEndpoint) &&
    isObject(value.since) &&
    Object.values(value.since).every((time) => typeof time === 'number')
  );
}

function isEndpoint(value: unknown): value is Endpoint {
  if (!isObject(value)) return false;
  const { ip, port, name, weight, priority, tags } = value;
  return (
    typeof ip === 'string' &&
    canonicalIp(ip) === ip &&
    [port, weight, priority].every((number) => Number.isInteger(number)) &&
    typeof name === 'string' &&
    Array.isArray(tags) &&
    tags.every((tag) => typeof tag === 'string')
  );
}

/** rename(2) replaces atomically; what is renamed must be on disk before, and the folder's entry after. */
async function replaceFile(path: string, text: string): Promise<void> {
  const aside = `${path}.new`;
  const file = await open(aside, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(aside, path);
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
