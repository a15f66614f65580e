import { type Backend, describeSource } from '../backend/backend.ts';
import { type Endpoint, endpointKey } from '../core/endpoint.ts';
import { AppError } from '../core/errors.ts';
import type { Result } from '../core/result.ts';
import type { ConnectOnce } from '../health/checks.ts';
import type { SourceFollower } from '../route/writer.ts';
import { type EndpointRow, endpointChanges, endpointTable } from './endpoint-report.ts';

export interface ResolveOptions {
  readonly backend: Backend;
  /** Goes on with each change until the signal aborts. */
  readonly isWatching: boolean;
  readonly sources: SourceFollower;
  readonly connect: ConnectOnce;
  /** When an endpoint was first known, ms since 1970; undefined where this command is the first to see it. */
  readonly knownSince: (endpoint: Endpoint) => number | undefined;
  readonly print: (line: string) => void;
  readonly signal: AbortSignal;
}

/** How long the first answer may take, ms. */
const firstAnswerMs = 15_000;
/** How long one endpoint may take to accept the connection that its health is told by, ms. */
const connectMs = 2000;

type Update = Result<readonly Endpoint[]>;

/**
 * `nuncio resolve`: what a descriptor comes to, as the ambassador would see it from here.
 *
 * @throws AppError ERR_NOT_IN_BUILD, or ERR_RESOLVE_FAILED where the source cannot be read within 15 s
 */
export async function resolve(options: ResolveOptions): Promise<void> {
  const { backend, sources, signal } = options;
  const refusal = sources.refusal(backend.source);
  if (refusal !== undefined) throw refusal;
  const updates = new UpdateQueue();
  const release = sources.follow(backend.source, (update) => updates.push(update));
  try {
    const first = await updates.next(AbortSignal.any([signal, AbortSignal.timeout(firstAnswerMs)]));
    if (first === undefined) {
      if (signal.aborted) return;
      throw new AppError(
        'ERR_RESOLVE_FAILED',
        `${describeSource(backend.source)}: no answer within ${firstAnswerMs} ms`,
      );
    }
    if (!first.ok && !options.isWatching) throw first.error;
    await printFirst(first, options);
    if (options.isWatching) await printChanges(first.ok ? first.value : [], updates, options);
  } finally {
    release();
  }
}

async function printFirst(update: Update, options: ResolveOptions): Promise<void> {
  const { backend, print } = options;
  print(`${describeSource(backend.source)}  (source: ${backend.source.kind})`);
  if (!update.ok) {
    print(`! ${update.error.message}`);
    return;
  }
  const rows = await Promise.all(update.value.map((endpoint) => look(endpoint, options)));
  print(rows.length === 0 ? 'no endpoint: the source has none' : endpointTable(rows));
}

async function look(
  endpoint: Endpoint,
  { connect, knownSince, signal }: ResolveOptions,
): Promise<EndpointRow> {
  const begun = performance.now();
  const code = await connect(endpoint, connectMs, signal);
  const tookMs = (performance.now() - begun).toFixed(1);
  const now = Date.now();
  return {
    endpoint,
    health: code === undefined ? `accepts in ${tookMs} ms` : `down, ${code}`,
    ageMs: now - (knownSince(endpoint) ?? now),
  };
}

async function printChanges(
  first: readonly Endpoint[],
  updates: UpdateQueue,
  options: ResolveOptions,
): Promise<void> {
  let set = first;
  for (;;) {
    const update = await updates.next(options.signal);
    if (update === undefined) return;
    const time = new Date().toISOString().slice(11, 23);
    if (!update.ok) {
      options.print(`${time} ! ${update.error.message}; the last set stays`);
      continue;
    }
    const changes = endpointChanges(set, update.value);
    set = update.value;
    if (changes.length === 0)
      options.print(
        `${time} = the source answers again, ${set.map(endpointKey).join(', ') || 'no endpoint'}`,
      );
    for (const change of changes) options.print(`${time} ${change}`);
  }
}

/** Updates in order, for a reader that prints slower than they come. */
class UpdateQueue {
  readonly #unread: Update[] = [];
  #wake: (() => void) | undefined;

  push(update: Update): void {
    this.#unread.push(update);
    this.#wake?.();
  }

  /** @returns undefined after an abort */
  async next(signal: AbortSignal): Promise<Update | undefined> {
    while (this.#unread.length === 0) {
      if (signal.aborted) return undefined;
      const woken = Promise.withResolvers<void>();
      const wake = () => woken.resolve();
      this.#wake = wake;
      signal.addEventListener('abort', wake);
      await woken.promise;
      signal.removeEventListener('abort', wake);
    }
    return this.#unread.shift();
  }
}
