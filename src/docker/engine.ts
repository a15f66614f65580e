/**
 * The Docker engine: the calls that Nuncio makes, each bounded in time, each failing with ERR_DOCKER and advice.
 * The container feed (live-feed.ts) is built on `Engine`, containers of our own (helper-container.ts) on `HelperEngine`;
 * everything above reads the feed.
 *
 *     const engine = connectEngine({ host: process.env.DOCKER_HOST ?? '' });
 *     const feed = new LiveFeed({ engine, logger });
 *     await feed.start();
 */
import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { formatHostPort } from '../core/address.ts';
import { AppError } from '../core/errors.ts';
import { http, https } from '../core/load-late.ts';
import { type EngineAddress, parseDockerHost } from './engine-address.ts';
import { engineError, isGoneOrGoing, isNotFound } from './engine-error.ts';
import { loadDockerode } from './load-dockerode.ts';

/** What the container feed needs of the engine. */
export interface Engine {
  /** As a DOCKER_HOST text, for messages. */
  readonly host: string;
  /** The containers that are running or paused: the answer of GET /containers/json. */
  list(signal?: AbortSignal): Promise<unknown>;
  /** The answer of GET /containers/<id>/json; undefined where the engine does not know the container. */
  inspect(id: string, signal?: AbortSignal): Promise<unknown>;
  /** The endless answer of GET /events, JSON lines; destroy it to end it. `sinceMs` = since 1970, ms. */
  events(sinceMs: number, filters: EventFilters, signal?: AbortSignal): Promise<Readable>;
  /** `20.10.24 (API 1.41)` */
  engineVersion(signal?: AbortSignal): Promise<string>;
}

/** What containers of our own need of the engine. */
export interface HelperEngine {
  /** POST /containers/create. @param body as the API has it. @returns the container's id */
  create(name: string, body: object, signal?: AbortSignal): Promise<string>;
  /** What the container will write, in frames (stream-frames.ts), until its end; destroy it to end it. */
  attach(id: string, signal?: AbortSignal): Promise<Readable>;
  start(id: string, signal?: AbortSignal): Promise<void>;
  /** Kills and removes; a container that is gone already, or on its way, is no error. */
  remove(id: string, signal?: AbortSignal): Promise<void>;
  /** All containers with a label, also those that do not run: the answer of GET /containers/json. */
  listLabelled(label: string, signal?: AbortSignal): Promise<unknown>;
}

export type EventFilters = Readonly<Record<string, readonly string[]>>;

export interface EngineOptions {
  /** DOCKER_HOST; empty = the default socket. */
  readonly host: string;
  /** DOCKER_TLS_VERIFY */
  readonly tlsVerify?: string;
  /** DOCKER_CERT_PATH: folder of ca.pem, cert.pem, key.pem. */
  readonly certPath?: string;
  /** Bound on connecting and answering together, ms. */
  readonly timeoutMs?: number;
}

/** The calls as dockerode 5 has them; its published types know neither `agent` nor every `abortSignal`. */
interface DockerodeCalls {
  listContainers(options: {
    abortSignal: AbortSignal;
    all?: boolean;
    filters?: Readonly<Record<string, readonly string[]>>;
  }): Promise<unknown>;
  getContainer(id: string): {
    inspect(options: { abortSignal: AbortSignal }): Promise<unknown>;
    attach(options: {
      abortSignal: AbortSignal;
      stream: true;
      stdout: true;
      stderr: true;
    }): Promise<Readable>;
    start(options: { abortSignal: AbortSignal }): Promise<unknown>;
    remove(options: { abortSignal: AbortSignal; force: true; v: true }): Promise<unknown>;
  };
  createContainer(options: {
    abortSignal: AbortSignal;
    _query: object;
    _body: object;
  }): Promise<{ id: string }>;
  getEvents(options: { abortSignal: AbortSignal; since: string; filters: EventFilters }): Promise<Readable>;
  version(options: { abortSignal: AbortSignal }): Promise<unknown>;
}

/**
 * @throws AppError ERR_USAGE: the host's text does not parse; ERR_DOCKER: the certificates cannot be read.
 *         Nothing is connected yet.
 */
export function connectEngine(options: EngineOptions): Engine & HelperEngine {
  const parsed = parseDockerHost(options.host, options.tlsVerify);
  if (!parsed.ok) throw parsed.error;
  return new DockerodeEngine(parsed.value, options.certPath ?? '', options.timeoutMs ?? 5_000);
}

function readCertificates(folder: string): { ca: string; cert: string; key: string } {
  const read = (name: string) => {
    try {
      return readFileSync(join(folder, name), 'utf8');
    } catch (thrown) {
      const message = `DOCKER_CERT_PATH: cannot read ${join(folder, name)}; it must hold ca.pem, cert.pem and key.pem`;
      throw new AppError('ERR_DOCKER', message, { cause: thrown });
    }
  };
  return { ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem') };
}

function dockerodeOptions(address: EngineAddress, certPath: string): object {
  // One connection a call: a kept one may be the dead end of an engine that has been restarted meanwhile.
  // `host: undefined` is said because docker-modem otherwise takes the host from the process's DOCKER_HOST.
  if (address.kind === 'unix') {
    return { host: undefined, protocol: 'http', socketPath: address.path, agent: new (http().Agent)() };
  }
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  if (!address.tls) {
    return { host: `http://${host}`, port: address.port, protocol: 'http', agent: new (http().Agent)() };
  }
  const certificates = certPath === '' ? {} : readCertificates(certPath);
  const agent = new (https().Agent)();
  return { host: `https://${host}`, port: address.port, protocol: 'https', agent, ...certificates };
}

class DockerodeEngine implements Engine, HelperEngine {
  readonly host: string;
  readonly #address: EngineAddress;
  readonly #docker: DockerodeCalls;
  readonly #timeoutMs: number;

  constructor(address: EngineAddress, certPath: string, timeoutMs: number) {
    this.#address = address;
    this.host =
      address.kind === 'unix'
        ? `unix://${address.path}`
        : `tcp://${formatHostPort(address.host, address.port)}`;
    this.#timeoutMs = timeoutMs;
    try {
      this.#docker = new (loadDockerode())(dockerodeOptions(address, certPath)) as unknown as DockerodeCalls;
    } catch (thrown) {
      throw engineError(thrown, this.host, 'preparing the client', address);
    }
  }

  list(signal?: AbortSignal): Promise<unknown> {
    return this.#bounded('listing the containers', signal, (abortSignal) =>
      this.#docker.listContainers({ abortSignal }),
    );
  }

  inspect(id: string, signal?: AbortSignal): Promise<unknown> {
    return this.#bounded(`inspecting container ${id.slice(0, 12)}`, signal, async (abortSignal) => {
      try {
        return await this.#docker.getContainer(id).inspect({ abortSignal });
      } catch (thrown) {
        if (isNotFound(thrown)) return undefined;
        throw thrown;
      }
    });
  }

  async events(sinceMs: number, filters: EventFilters, signal?: AbortSignal): Promise<Readable> {
    const since = (sinceMs / 1_000).toFixed(3);
    const stream = await this.#bounded('opening the event stream', signal, (abortSignal) =>
      this.#docker.getEvents({ abortSignal, since, filters }),
    );
    // The stream may be silent for days: without probes a peer that vanished (remote engine) would never be missed.
    if ('socket' in stream && stream.socket instanceof Socket) stream.socket.setKeepAlive(true, 30_000);
    return stream;
  }

  async engineVersion(signal?: AbortSignal): Promise<string> {
    const answer = await this.#bounded('asking for its version', signal, (abortSignal) =>
      this.#docker.version({ abortSignal }),
    );
    const { Version, ApiVersion } = (answer ?? {}) as { Version?: unknown; ApiVersion?: unknown };
    if (typeof Version !== 'string') {
      throw new AppError('ERR_DOCKER', `docker engine at ${this.host}: no Docker engine answers there`);
    }
    return typeof ApiVersion === 'string' ? `${Version} (API ${ApiVersion})` : Version;
  }

  async create(name: string, body: object, signal?: AbortSignal): Promise<string> {
    const call = `making the container ${name}`;
    const { id } = await this.#bounded(call, signal, (abortSignal) =>
      this.#docker.createContainer({ abortSignal, _query: { name }, _body: body }),
    );
    return id;
  }

  attach(id: string, signal?: AbortSignal): Promise<Readable> {
    const options = { stream: true, stdout: true, stderr: true } as const;
    return this.#bounded(`attaching to container ${id.slice(0, 12)}`, signal, (abortSignal) =>
      this.#docker.getContainer(id).attach({ abortSignal, ...options }),
    );
  }

  async start(id: string, signal?: AbortSignal): Promise<void> {
    await this.#bounded(`starting container ${id.slice(0, 12)}`, signal, (abortSignal) =>
      this.#docker.getContainer(id).start({ abortSignal }),
    );
  }

  async remove(id: string, signal?: AbortSignal): Promise<void> {
    await this.#bounded(`removing container ${id.slice(0, 12)}`, signal, async (abortSignal) => {
      try {
        await this.#docker.getContainer(id).remove({ abortSignal, force: true, v: true });
      } catch (thrown) {
        if (!isGoneOrGoing(thrown)) throw thrown;
      }
    });
  }

  listLabelled(label: string, signal?: AbortSignal): Promise<unknown> {
    return this.#bounded(`listing the containers with label ${label}`, signal, (abortSignal) =>
      this.#docker.listContainers({ abortSignal, all: true, filters: { label: [label] } }),
    );
  }

  /**
   * The bound is a race of its own: dockerode never settles a call whose answer is cut in the middle of its body.
   */
  async #bounded<T>(
    call: string,
    signal: AbortSignal | undefined,
    run: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const ending = new AbortController();
    const cut = Promise.withResolvers<never>();
    const end = (why: string) => {
      cut.reject(new AppError('ERR_DOCKER', `docker engine at ${this.host}, ${call}: ${why}`));
      ending.abort();
    };
    const onAbort = () => end('given up, Nuncio stops or has no need of it any more');
    const timer = setTimeout(() => end(`no answer within ${this.#timeoutMs} ms`), this.#timeoutMs);
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted) onAbort();
    try {
      return await Promise.race([cut.promise, run(ending.signal)]);
    } catch (thrown) {
      throw engineError(thrown, this.host, call, this.#address);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    }
  }
}
