import { ConsulConnection, type ConsulServer, type ConsulSettings } from './consul-connection.ts';

/** A service as the agent keeps it. */
export interface AgentService {
  readonly id: string;
  readonly name: string;
  readonly tags: readonly string[];
  readonly meta: Readonly<Record<string, string>>;
  readonly address: string;
  readonly port: number;
}

/** A check that the agent makes by itself; times in Go's spelling: `5s`. */
export type AgentCheck = {
  readonly interval: string;
  readonly timeout: string;
  readonly status: 'passing' | 'critical';
  /** When a service whose check fails is given up, at least `1m`. */
  readonly deregistercriticalserviceafter: string;
} & ({ readonly tcp: string } | { readonly http: string; readonly header: object });

/** How long a call to the agent about its own services may take, ms. */
const agentTimeoutMs = 5000;

/** The services that an agent keeps: what registration needs of Consul. */
export class ConsulAgentServices {
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
   * The services that this agent keeps, whoever has registered them.
   *
   * @throws AppError ERR_RESOLVE_FAILED
   */
  async list(signal: AbortSignal): Promise<readonly AgentService[]> {
    const call = "reading the agent's services";
    const { body } = await this.#connection.send(call, {}, agentTimeoutMs, signal, (options) =>
      this.#connection.calls.agent.service.list(options),
    );
    if (typeof body !== 'object' || body === null || Array.isArray(body)) {
      return this.#connection.senseless(call, 'expected a JSON object');
    }
    return Object.values(body).map(agentService);
  }

  /**
   * Registers a service with the agent, or replaces the one of its id.
   *
   * @throws AppError ERR_RESOLVE_FAILED
   */
  async register(service: AgentService, check: AgentCheck, signal: AbortSignal): Promise<void> {
    await this.#connection.send(
      `registering "${service.id}"`,
      { ...service, check },
      agentTimeoutMs,
      signal,
      (options) => this.#connection.calls.agent.service.register(options),
    );
  }

  /** One that is not there is no failure. @throws AppError ERR_RESOLVE_FAILED */
  async deregister(id: string, signal: AbortSignal): Promise<void> {
    await this.#connection.send(`removing "${id}"`, { id }, agentTimeoutMs, signal, (options) =>
      this.#connection.calls.agent.service.deregister(options),
    );
  }

  /** Closes the connection; a call that is under way fails. May be called twice. */
  close(): void {
    this.#connection.close();
  }
}

/** What is not as expected of a service is empty: it is somebody else's then. */
function agentService(item: unknown): AgentService {
  const fields: Readonly<Record<string, unknown>> =
    typeof item === 'object' && item !== null ? { ...item } : {};
  const text = (value: unknown) => (typeof value === 'string' ? value : '');
  const { Tags: tags, Meta: meta, Port: port } = fields;
  return {
    id: text(fields.ID),
    name: text(fields.Service),
    tags: Array.isArray(tags) ? tags.map(text) : [],
    meta: Object.fromEntries(Object.entries(meta ?? {}).map(([name, value]) => [name, text(value)])),
    address: text(fields.Address),
    port: typeof port === 'number' ? port : 0,
  };
}
