import type { Picker } from '../../balance/picker.ts';
import { type Endpoint, endpointKey } from '../../core/endpoint.ts';
import { AppError } from '../../core/errors.ts';
import type { BackendEntry } from '../../route/table.ts';
import type { Pickers } from '../pickers.ts';

const none: ReadonlySet<Endpoint> = new Set();
const failuresTold = 8;

/** Which endpoints one connection has tried, and what they have answered. */
export class Dialling {
  readonly backend: BackendEntry;
  readonly begun: number;
  /** Of all endpoints together. */
  readonly deadline: number;
  readonly #picker: Picker;
  readonly #active: Pickers['active'];
  #tried: Set<Endpoint> | undefined;
  readonly #failures: string[] = [];
  /** The one that is dialled now. */
  endpoint: Endpoint | undefined;

  constructor(backend: BackendEntry, pickers: Pickers, now: number, budgetMs: number) {
    this.backend = backend;
    this.begun = now;
    this.deadline = now + budgetMs;
    this.#picker = pickers.of(backend);
    this.#active = pickers.active;
  }

  /** The next endpoint, each once; undefined where none is left or the time is over. */
  next(now: number): Endpoint | undefined {
    if (now >= this.deadline) this.endpoint = undefined;
    else this.endpoint = this.#picker.pick({ tried: this.#tried ?? none, active: this.#active });
    return this.endpoint;
  }

  /** The one that is dialled now does not accept. @param code of the error: "ECONNREFUSED" */
  failed(code: string): void {
    const { endpoint } = this;
    if (endpoint === undefined) return;
    this.#tried ??= new Set();
    this.#tried.add(endpoint);
    if (this.#failures.length < failuresTold) this.#failures.push(`${endpointKey(endpoint)} ${code}`);
  }

  /** Why there is no connection. */
  get error(): AppError {
    if (this.#tried === undefined) return new AppError('ERR_NO_ENDPOINT', 'the backend has no endpoint');
    return new AppError('ERR_CONNECT_FAILED', `no endpoint accepts: ${this.#failures.join(', ')}`);
  }
}
