import type { AppError } from '../core/errors.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { Slots } from '../core/slots.ts';
import { etcdError, isAboutRequest, isDenied, isStaleToken, unreachable } from './etcd-errors.ts';
import { reachServer } from './etcd-reach.ts';
import type { EtcdAnswer, EtcdMethod, EtcdRpc, GrpcFailure } from './etcd-rpc.ts';
import type { EtcdServer, EtcdSettings } from './etcd-settings.ts';
import { type EtcdChange, type EtcdRange, EtcdWatchStream, type WatchEnd } from './etcd-watch-stream.ts';

/** A key and everything below it, as they were at one revision. */
export interface EtcdTree {
  readonly revision: bigint;
  /** By the whole key. */
  readonly values: ReadonlyMap<string, string>;
}

const defaultTimeoutMs = 5000;
/** Reads under way at once: a thousand paths are read anew when a server comes back, and each call costs memory. */
const maxReads = 32;

/** `path` itself, and `path/…` but not `pathological`: "0" is the byte after "/". */
function rangesOf(path: string): readonly [EtcdRange, EtcdRange] {
  return [{ key: Buffer.from(path) }, { key: Buffer.from(`${path}/`), end: Buffer.from(`${path}0`) }];
}

/**
 * A connection to one server of etcd, shared by everybody who reads or watches there. It is over for good once a call or
 * the watch stream says so: `ended` tells why.
 */
export class EtcdSession {
  readonly #server: EtcdServer;
  readonly #settings: EtcdSettings;
  readonly #rpc: EtcdRpc;
  readonly #end = new AbortController();
  readonly #ended = Promise.withResolvers<AppError | undefined>();
  readonly #slots = new Slots(maxReads);
  #isOver = false;
  #token: string | undefined;
  #loggingIn: Promise<GrpcFailure | undefined> | undefined;
  readonly #streams = new Set<EtcdWatchStream>();
  #stream: Promise<EtcdWatchStream> | undefined;

  private constructor(server: EtcdServer, settings: EtcdSettings, rpc: EtcdRpc) {
    this.#server = server;
    this.#settings = settings;
    this.#rpc = rpc;
  }

  /**
   * Connects, logs in, and reads once through the cluster's majority: what has none is not open.
   *
   * @returns ERR_RESOLVE_FAILED with why and what to do; where the signal aborts meanwhile, nothing is left
   */
  static async open(
    server: EtcdServer,
    settings: EtcdSettings,
    signal: AbortSignal,
  ): Promise<Result<EtcdSession>> {
    let session: EtcdSession | undefined;
    try {
      await reachServer(server, settings.tls, settings.timeoutMs ?? defaultTimeoutMs, signal);
      // Here and not above: gRPC takes 30 MB, and most ambassadors never speak to etcd.
      const { EtcdRpc } = await import('./etcd-rpc.ts');
      session = new EtcdSession(server, settings, new EtcdRpc(server, settings.tls));
      const failure = await session.#begin(signal);
      if (failure === undefined) return ok(session);
      session.close();
      return fail(etcdError(server, failure));
    } catch (thrown) {
      session?.close();
      return fail(unreachable(server, thrown));
    }
  }

  /** Settles once the session is over, with why; with undefined where it has been closed. */
  get ended(): Promise<AppError | undefined> {
    return this.#ended.promise;
  }

  /**
   * What is at `path` and below `path/`, by the cluster's majority.
   *
   * @returns ERR_RESOLVE_FAILED where it cannot be read; undefined where the signal has aborted or the session is over,
   *          which `ended` tells of
   */
  async read(path: string, signal: AbortSignal): Promise<Result<EtcdTree> | undefined> {
    const success = rangesOf(path).map(({ key, end }) => ({
      request_range: end === undefined ? { key } : { key, range_end: end },
    }));
    if (!(await this.#slots.acquire(signal))) return undefined;
    const outcome = await this.ask('KV.txn', { success }, path, signal).finally(() => this.#slots.release());
    if (!outcome?.ok) return outcome;
    const { header, responses } = outcome.value;
    const kvs = responses.flatMap(({ response_range }) => response_range.kvs);
    const values = new Map(kvs.map(({ key, value }) => [key.toString(), value.toString()]));
    return ok({ revision: BigInt(header.revision), values });
  }

  /**
   * One call, with a token that is valid.
   *
   * @param path what it is about, for the error
   * @returns    ERR_RESOLVE_FAILED where the server refuses this request (a right is missing, it is too large); undefined
   *             where the signal has aborted or the session is over: any other failure ends it
   */
  async ask<M extends EtcdMethod>(
    name: M,
    request: object,
    path: string,
    signal: AbortSignal,
  ): Promise<Result<EtcdAnswer<M>> | undefined> {
    const outcome = await this.#call(name, request, signal);
    if (outcome === undefined) return undefined;
    return 'failure' in outcome ? fail(etcdError(this.#server, outcome.failure, path)) : ok(outcome.answer);
  }

  /**
   * Watches `path` and everything below `path/`.
   *
   * @param fromRevision the first that has not been seen
   * @param onChange     changes in the order of their revisions; never called synchronously, nor after abort
   * @returns            why the watch is over: `lost` also on abort and where the session is over
   */
  async watch(
    path: string,
    fromRevision: bigint,
    onChange: (changes: readonly EtcdChange[]) => void,
    signal: AbortSignal,
  ): Promise<WatchEnd> {
    const stream = await this.#openStream();
    if (stream === undefined || signal.aborted) return { kind: 'lost' };
    const { promise, resolve } = Promise.withResolvers<WatchEnd>();
    const onAbort = () => resolve({ kind: 'lost' });
    signal.addEventListener('abort', onAbort, { once: true });
    const cancels = rangesOf(path).map((range) =>
      stream.watch(range, fromRevision, { onChange, onEnd: resolve }),
    );
    const end = await promise;
    signal.removeEventListener('abort', onAbort);
    for (const cancel of cancels) cancel();
    // The token of the stream may have expired since it was opened: the next watch gets a stream of its own.
    if (end.kind === 'refused' && this.#settings.user !== undefined) await this.#logIn(this.#token);
    return end;
  }

  /** Ends every call, watch and connection. May be called twice. */
  close(): void {
    this.#finish(undefined);
  }

  #finish(why: AppError | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#ended.resolve(why);
    this.#end.abort();
    for (const stream of this.#streams) stream.close();
    this.#streams.clear();
    this.#rpc.close();
  }

  async #begin(signal: AbortSignal): Promise<GrpcFailure | undefined> {
    const onAbort = () => this.#end.abort();
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      const refused = await this.#logIn(undefined);
      if (refused !== undefined) return refused;
      // What `etcdctl endpoint health` asks; a refusal comes from the majority, too.
      const outcome = await this.#rpc.call('KV.range', { key: Buffer.from('health') }, this.#options());
      return 'failure' in outcome && !isDenied(outcome.failure) ? outcome.failure : undefined;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  #options(signal: AbortSignal = this.#end.signal) {
    return { token: this.#token, timeoutMs: this.#settings.timeoutMs ?? defaultTimeoutMs, signal };
  }

  /** A call with a token that is valid. A failure that is not about the request ends the session: then undefined. */
  async #call<M extends EtcdMethod>(name: M, request: object, signal: AbortSignal) {
    for (let attempt = 1; ; attempt++) {
      if (signal.aborted || this.#end.signal.aborted) return undefined;
      const options = this.#options(signal);
      const outcome = await this.#rpc.call(name, request, options);
      if (signal.aborted || this.#end.signal.aborted) return undefined;
      if ('answer' in outcome || isAboutRequest(outcome.failure)) return outcome;
      const isStale = isStaleToken(outcome.failure) && attempt < 3;
      const failure = isStale ? await this.#logIn(options.token) : outcome.failure;
      if (failure !== undefined) {
        this.#lose(failure);
        return undefined;
      }
    }
  }

  /** Replaces a token that is not good any more; one log-in however many ask. */
  #logIn(stale: string | undefined): Promise<GrpcFailure | undefined> {
    const { user } = this.#settings;
    if (user === undefined || this.#token !== stale) return Promise.resolve(undefined);
    this.#loggingIn ??= this.#authenticate(user.name, user.password).finally(() => {
      this.#loggingIn = undefined;
    });
    return this.#loggingIn;
  }

  async #authenticate(name: string, password: string): Promise<GrpcFailure | undefined> {
    const options = { ...this.#options(), token: undefined };
    const outcome = await this.#rpc.call('Auth.authenticate', { name, password }, options);
    if ('failure' in outcome) return outcome.failure;
    this.#token = outcome.answer.token;
    // A stream keeps the token that it was opened with; the watches on it go on.
    this.#stream = undefined;
    return undefined;
  }

  async #openStream(): Promise<EtcdWatchStream | undefined> {
    if (this.#end.signal.aborted) return undefined;
    this.#stream ??= this.#newStream();
    try {
      const stream = await this.#stream;
      return this.#end.signal.aborted ? undefined : stream;
    } catch (thrown) {
      this.#lose({ code: 14, details: String(thrown) });
      return undefined;
    }
  }

  async #newStream(): Promise<EtcdWatchStream> {
    const duplex = await this.#rpc.openWatchStream(this.#token);
    const stream = new EtcdWatchStream(duplex, this.#options().timeoutMs, (failure) => this.#lose(failure));
    this.#streams.add(stream);
    if (this.#end.signal.aborted) stream.close();
    return stream;
  }

  #lose(failure: GrpcFailure): void {
    this.#finish(etcdError(this.#server, failure));
  }
}
