import {
  Etcd3,
  type IAuthenticateResponse,
  type ILeaseGrantResponse,
  type ILeaseKeepAliveResponse,
  type ILeaseRevokeResponse,
  type ILeaseTimeToLiveResponse,
  type IRangeResponse,
  type ITxnResponse,
  type IWatchRequest,
  type IWatchResponse,
} from 'etcd3';
import { formatHostPort } from '../core/address.ts';
import type { EtcdServer, EtcdTls } from './etcd-settings.ts';

/** The calls that Nuncio makes, with their answers. */
interface Answers {
  readonly 'Auth.authenticate': IAuthenticateResponse;
  readonly 'KV.range': IRangeResponse;
  readonly 'KV.txn': ITxnResponse;
  readonly 'Lease.leaseGrant': ILeaseGrantResponse;
  /** A stream to gRPC; here one question and its answer. */
  readonly 'Lease.leaseKeepAlive': ILeaseKeepAliveResponse;
  readonly 'Lease.leaseTimeToLive': ILeaseTimeToLiveResponse;
  readonly 'Lease.leaseRevoke': ILeaseRevokeResponse;
}
export type EtcdMethod = keyof Answers;
export type EtcdAnswer<M extends EtcdMethod> = Answers[M];
type Service = 'Auth' | 'KV' | 'Lease' | 'Watch';

/** What gRPC gives instead of an answer. Source: grpc doc/statuscodes.md */
export interface GrpcFailure {
  readonly code: number;
  readonly details: string;
}

export interface CallOptions {
  /** Of a user who has authenticated. */
  readonly token: string | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** A stream of watches, both ways. It ends by `error`, `end` or both. */
export interface WatchDuplex {
  on(event: 'data', listener: (response: IWatchResponse) => void): this;
  on(event: 'error', listener: (failure: GrpcFailure) => void): this;
  on(event: 'end', listener: () => void): this;
  write(request: IWatchRequest): boolean;
  cancel(): void;
}

type Metadata = { set(key: string, value: string): void };
type Callback = (failure: GrpcFailure | null, answer: unknown) => void;
type Unary = (
  request: object,
  metadata: Metadata,
  options: { readonly deadline: number },
  done: Callback,
) => { cancel(): void };
type Duplex = (metadata: Metadata) => WatchDuplex;

/** The stream of `Lease.leaseKeepAlive`. */
interface KeepAliveDuplex {
  on(event: 'data', listener: (answer: unknown) => void): this;
  on(event: 'error', listener: (failure: GrpcFailure) => void): this;
  on(event: 'end', listener: () => void): this;
  write(request: object): boolean;
  end(): void;
  cancel(): void;
}
type OpenKeepAlive = (metadata: Metadata, options: { readonly deadline: number }) => KeepAliveDuplex;

/** Read from one server at most, bytes: ten thousand endpoints with a document each. gRPC's own bound is 4 MiB. */
const maxMessageBytes = 32 * 1024 * 1024;

/** etcd refuses more than one ping in 5 s (its flag --grpc-keepalive-min-time). */
const keepaliveMs = 10_000;
const keepaliveTimeoutMs = 5000;

/**
 * One server of etcd, through the etcd3 package: its calls and its bare watch stream. The package's own retries, its
 * choice among servers, its log-in and its watcher stay unused: they leave timers and connections behind when they are
 * closed, and a response that they did not expect ends the process.
 */
export class EtcdRpc extends Etcd3 {
  readonly #clients = new Set<{ close(): void }>();
  #isClosed = false;

  /** @throws Error where the certificates cannot be used */
  constructor(server: EtcdServer, tls: EtcdTls | undefined) {
    const scheme = tls === undefined ? 'http' : 'https';
    super({
      hosts: [`${scheme}://${formatHostPort(server.host, server.port)}`],
      ...(tls?.ca === undefined && tls?.cert === undefined ? {} : { credentials: pem(tls) }),
      grpcOptions: {
        'grpc.keepalive_time_ms': keepaliveMs,
        'grpc.keepalive_timeout_ms': keepaliveTimeoutMs,
        'grpc.max_receive_message_length': maxMessageBytes,
        'grpc.enable_http_proxy': 0,
        'grpc.enable_retries': 0,
        'grpc.service_config_disable_resolution': 1,
      },
    });
  }

  /**
   * One call.
   * @returns the answer, or the failure (also DEADLINE_EXCEEDED after `timeoutMs`, CANCELLED on abort)
   * @throws  Error after `close`
   */
  async call<M extends EtcdMethod>(
    name: M,
    request: object,
    { token, timeoutMs, signal }: CallOptions,
  ): Promise<{ readonly answer: Answers[M] } | { readonly failure: GrpcFailure }> {
    const [service, method] = name.split('.') as [Service, string];
    const { client, metadata } = await this.#service(service, token);
    const unary: Unary | undefined =
      name === 'Lease.leaseKeepAlive'
        ? askOnce((client as unknown as { leaseKeepAlive: OpenKeepAlive }).leaseKeepAlive.bind(client))
        : (client as unknown as Record<string, Unary>)[method]?.bind(client);
    return new Promise((resolve) => {
      const call = unary?.(request, metadata, { deadline: Date.now() + timeoutMs }, (failure, answer) => {
        signal.removeEventListener('abort', cancel);
        resolve(failure === null ? { answer: answer as Answers[M] } : { failure });
      });
      const cancel = () => call?.cancel();
      signal.addEventListener('abort', cancel, { once: true });
      if (signal.aborted) cancel();
    });
  }

  /** @throws Error after `close` */
  async openWatchStream(token: string | undefined): Promise<WatchDuplex> {
    const { client, metadata } = await this.#service('Watch', token);
    return (client as unknown as { watch: Duplex }).watch(metadata);
  }

  /** At once; the package would wait up to 1 s for a connection that is being made. May be called twice. */
  override close(): void {
    this.#isClosed = true;
    for (const client of this.#clients) client.close();
    this.#clients.clear();
  }

  async #service(service: Service, token: string | undefined) {
    const { client, metadata } = await this.pool.withConnection(service, (connection) => connection);
    this.#clients.add(client);
    if (this.#isClosed) {
      this.close();
      throw new Error('the connection has been closed');
    }
    // A member that has lost its leader refuses at once, and ends watches, instead of keeping quiet: etcd's
    // clientv3.WithRequireLeader.
    metadata.set('hasleader', 'true');
    if (token !== undefined) metadata.set('token', token);
    return { client, metadata };
  }
}

/**
 * A stream as a call: one question, its answer, and the end. A stream that stays open would need a watch of its own over
 * answers that do not come; a question every few seconds costs nothing.
 */
function askOnce(open: OpenKeepAlive): Unary {
  return (request, metadata, options, done) => {
    const duplex = open(metadata, options);
    duplex
      .on('data', (answer) => done(null, answer))
      .on('error', (failure) => done(failure, undefined))
      .on('end', () =>
        done({ code: 14, details: 'the server ended the stream without an answer' }, undefined),
      );
    duplex.write(request);
    duplex.end();
    return duplex;
  };
}

/** Without an authority of its own the system's stand: the package's type does not know that. */
function pem({ ca, cert, key }: EtcdTls) {
  const bytes = (text: string | undefined) => (text === undefined ? undefined : Buffer.from(text));
  const [certChain, privateKey] = [bytes(cert), bytes(key)];
  return {
    rootCertificate: bytes(ca) as Buffer,
    ...(certChain === undefined ? {} : { certChain }),
    ...(privateKey === undefined ? {} : { privateKey }),
  };
}
