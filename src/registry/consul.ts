import type { IncomingMessage } from 'node:http';
import { AppError } from '../core/errors.ts';
import type { BlockingQuery, Indexed } from './blocking-query.ts';
import { ConsulConnection, type ConsulServer, type ConsulSettings } from './consul-connection.ts';
import { statusOf } from './consul-error.ts';

export type { ConsulSettings, ConsulTls } from './consul-connection.ts';

/** One key with its value as text. */
export interface KeyValue {
  readonly key: string;
  readonly value: string;
}

/**
 * One agent, over one connection of its own that is kept between the calls. A call fails with ERR_RESOLVE_FAILED, which
 * says where, what, why and what to do; an answer counts as one only where it has a Consul index.
 */
export class ConsulClient {
  readonly #connection: ConsulConnection;

  /** Nothing is connected yet. */
  constructor(server: ConsulServer, settings: ConsulSettings = {}) {
    this.#connection = new ConsulConnection(server, settings);
  }

  /** `host:port` */
  get where(): string {
    return this.#connection.where;
  }

  /**
   * The value at a path and of everything below `path/`, by key; never that of a neighbour whose name begins alike.
   *
   * @param path without a slash at either end
   * @returns    an empty list only where the agent says so and the token may read there
   * @throws AppError ERR_RESOLVE_FAILED
   */
  async tree(path: string, query: BlockingQuery, signal: AbortSignal): Promise<Indexed<readonly KeyValue[]>> {
    const call = `reading the keys at "${path}"`;
    // One question for both: the prefix without the slash has the path itself too, and its neighbours are left out here.
    const answer = await this.#ask(call, query, signal, (options) =>
      this.#connection.calls.kv.get({ ...options, key: path, recurse: true }),
    );
    const items = answer.isAbsent ? [] : this.#list(call, answer.body);
    const pairs = items
      .map((item) => keyValue(item) ?? this.#connection.senseless(call, 'an entry is no key with a value'))
      .filter(({ key }) => key === path || key.startsWith(`${path}/`));
    if (pairs.length === 0) await this.#mayRead(path, query, signal);
    return { index: answer.index, value: pairs };
  }

  /**
   * Every instance of a service, whatever its health: the entries of GET /v1/health/service/<name>, each an object.
   *
   * @param datacenter absent = the agent's own
   * @throws AppError ERR_RESOLVE_FAILED
   */
  async instances(
    service: string,
    datacenter: string | undefined,
    query: BlockingQuery,
    signal: AbortSignal,
  ): Promise<Indexed<readonly object[]>> {
    const call = `reading the instances of "${service}"`;
    const dc = datacenter === undefined ? {} : { dc: datacenter };
    const answer = await this.#ask(call, query, signal, (options) =>
      this.#connection.calls.health.service({ ...options, ...dc, service }),
    );
    return { index: answer.index, value: this.#list(call, answer.body) };
  }

  /**
   * The names of all services of the catalog, with the tags that their instances have.
   *
   * @throws AppError ERR_RESOLVE_FAILED
   */
  async services(
    query: BlockingQuery,
    signal: AbortSignal,
  ): Promise<Indexed<ReadonlyMap<string, readonly string[]>>> {
    const call = 'reading the names of the services';
    const answer = await this.#ask(call, query, signal, (options) =>
      this.#connection.calls.catalog.service.list(options),
    );
    const { body } = answer;
    if (typeof body !== 'object' || body === null || Array.isArray(body)) {
      return this.#connection.senseless(call, 'expected a JSON object');
    }
    const services = Object.entries(body).map(([name, tags]: [string, unknown]) => {
      const texts = Array.isArray(tags) ? tags.filter((tag) => typeof tag === 'string') : [];
      return [name, texts] as const;
    });
    return { index: answer.index, value: new Map(services) };
  }

  /** Closes the connection; a call that is under way fails. May be called twice. */
  close(): void {
    this.#connection.close();
  }

  /**
   * A list without what the token may not read looks like an empty one, and a token that was lost must not empty a set.
   * A single key is refused instead (403), so it is asked for; which of the two a policy covers depends on its slash.
   */
  async #mayRead(path: string, query: BlockingQuery, signal: AbortSignal): Promise<void> {
    const single = (key: string) =>
      this.#ask(`reading the key "${key}"`, { ...query, index: 0 }, signal, (options) =>
        this.#connection.calls.kv.get({ ...options, key }),
      );
    try {
      await single(`${path}/`);
    } catch (thrown) {
      if (!(thrown instanceof AppError) || statusOf(thrown.cause) !== 403) throw thrown;
      await single(path);
    }
  }

  async #ask(
    call: string,
    { index, waitMs, timeoutMs }: BlockingQuery,
    signal: AbortSignal,
    run: (options: object) => Promise<unknown>,
  ): Promise<{ index: number; isAbsent: boolean; body: unknown }> {
    const blocking = index === 0 ? {} : { index: `${index}`, wait: `${waitMs}ms` };
    const response = await this.#connection.send(call, blocking, timeoutMs, signal, run);
    const isAbsent = response.statusCode === 404;
    return { index: this.#indexOf(call, response), isAbsent, body: response.body };
  }

  #indexOf(call: string, response: IncomingMessage): number {
    const header = response.headers['x-consul-index'];
    if (typeof header === 'string' && /^\d{1,15}$/.test(header)) return Number(header);
    const what = header === undefined ? 'no X-Consul-Index' : `the X-Consul-Index "${String(header)}"`;
    return this.#connection.senseless(
      call,
      `an answer (HTTP ${response.statusCode}) with ${what}; is that Consul?`,
    );
  }

  #list(call: string, body: unknown): readonly object[] {
    return Array.isArray(body) ? body : this.#connection.senseless(call, 'expected a JSON list');
  }
}

function keyValue(item: object): KeyValue | undefined {
  const { Key: key, Value: value } = item as { Key?: unknown; Value?: unknown };
  if (typeof key !== 'string') return undefined;
  if (value === null) return { key, value: '' };
  return typeof value === 'string' ? { key, value } : undefined;
}
