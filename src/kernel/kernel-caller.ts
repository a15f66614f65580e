import type { Endpoint } from '../core/endpoint.ts';
import { AppError, codeOf } from '../core/errors.ts';
import type { Slots } from '../core/slots.ts';
import { connectOnceBy } from '../health/connect-once.ts';
import type { CallerEntry } from '../route/table.ts';
import type { NetworkNamespace, OpenNetworkNamespace } from '../sys/network-namespace.ts';
import {
  CallerRoutes,
  type CallerRoutesOptions,
  type EndpointConnects,
  isOfInterest,
} from './caller-routes.ts';
import { describeFailure, enterCaller } from './enter.ts';
import { needOfProxy } from './plan.ts';
import { Proofs } from './proofs.ts';
import { byProxy, type RoutePath } from './route-path.ts';

export interface KernelCallerOptions extends Pick<CallerRoutesOptions, 'maps' | 'backend' | 'surroundings'> {
  readonly openNamespace: OpenNetworkNamespace;
  readonly prove: Prove;
  /** For the proofs of all callers. */
  readonly slots: Slots;
  /** Told when a proof has changed something; `sync` is due. */
  readonly onProof: (caller: KernelCaller) => void;
}

/** How long a caller's own connection to an endpoint may take, ms. */
const proofTimeoutMs = 1000;
/** A namespace that could not be entered is tried again after 1, 2, 4 … rounds, and this many at most. */
const maxRoundsBetweenTries = 64;

interface Entered {
  readonly namespace: NetworkNamespace;
  readonly proofs: Proofs;
  readonly routes: CallerRoutes;
}

/** One caller on the kernel path: its namespace once it is entered, what it reaches, and its routes in the maps. */
export class KernelCaller {
  readonly #options: KernelCallerOptions;
  #entry: CallerEntry;
  #entered: Entered | undefined;
  /** Why it is not entered. */
  #reason = '';
  #failures = 0;
  #retryRound = 0;

  constructor(entry: CallerEntry, options: KernelCallerOptions) {
    this.#entry = entry;
    this.#options = options;
  }

  get entry(): CallerEntry {
    return this.#entry;
  }

  /** Takes a new state in; `sync` is due. @throws AppError ERR_SYSCALL as `sync` */
  update(entry: CallerEntry): void {
    const before = this.#entry;
    this.#entry = entry;
    if (before.pid === entry.pid && before.addresses.join() === entry.addresses.join()) return;
    // Another run of the container, or another place in the network: nothing that was found out counts.
    this.leave();
    this.#failures = 0;
    this.#retryRound = 0;
  }

  /**
   * Brings the maps in step with the table, and enters the caller's namespace where that is not done yet and is due.
   *
   * @param round counts up; a namespace that could not be entered is left in peace for some rounds
   * @param ports those that something has changed for; absent: all
   * @throws AppError ERR_SYSCALL where the kernel refuses a change: what stands in the maps is not certain then
   */
  sync(round: number, ports?: Iterable<number>): void {
    const isNew = this.#entered === undefined && this.#retryRound <= round && this.#enter(round);
    if (this.#entered === undefined) return;
    const { routes, proofs } = this.#entered;
    if (routes.sync(this.#entry, isNew ? undefined : ports)) proofs.keep(routes.endpointKeys);
  }

  /** Whether `sync` may come to something though nothing has been told. */
  isDue(round: number): boolean {
    return this.#entered === undefined ? this.#retryRound <= round : this.#entered.routes.isShort;
  }

  /** Tries once more what the caller itself reaches. @returns how many endpoints */
  proveAgain(): number {
    return this.#entered?.proofs.again() ?? 0;
  }

  get isEntered(): boolean {
    return this.#entered !== undefined;
  }

  pathOf(port: number): RoutePath {
    if (this.#entered !== undefined) return this.#entered.routes.paths.get(port) ?? byProxy('no route');
    if (this.#reason !== '') return byProxy(this.#reason);
    const target = this.#entry.routes.get(port);
    const backend = target?.kind === 'backend' ? this.#options.backend(target.backendKey) : undefined;
    return byProxy((backend && needOfProxy(backend)) ?? '');
  }

  /** By port. */
  get paths(): ReadonlyMap<number, RoutePath> {
    return this.#entered?.routes.paths ?? new Map();
  }

  connects(): readonly EndpointConnects[] {
    return this.#entered?.routes.connects() ?? [];
  }

  /** Takes its routes away, and lets go of its namespace. @throws AppError ERR_SYSCALL, with the namespace let go */
  leave(): void {
    try {
      this.#entered?.routes.clear();
    } finally {
      this.close();
    }
  }

  /** Lets go of its namespace; its routes stay in the maps. */
  close(): void {
    this.#entered?.proofs.stop();
    this.#entered?.namespace.close();
    this.#entered = undefined;
  }

  /** A container without a route that the kernel could serve is left alone. @returns whether it is entered */
  #enter(round: number): boolean {
    const { backend, openNamespace, slots, prove, onProof } = this.#options;
    if (!isOfInterest(this.#entry, backend)) return false;
    const opened = enterCaller(this.#entry, openNamespace);
    if (!opened.ok) {
      this.#reason = opened.error.message;
      this.#retryRound = round + Math.min(2 ** this.#failures++, maxRoundsBetweenTries);
      return false;
    }
    const namespace = opened.value;
    const proofs = new Proofs({
      connect: (endpoint, signal) => prove(namespace, endpoint, signal),
      slots,
      onChange: () => onProof(this),
    });
    const routes = new CallerRoutes({
      ...this.#options,
      proofOf: (endpoint) => proofs.of(endpoint),
      cookie: namespace.cookie,
    });
    this.#entered = { namespace, proofs, routes };
    return true;
  }
}

/** @returns undefined where the endpoint has accepted a connection from the namespace, else the error's code */
export type Prove = (
  namespace: NetworkNamespace,
  endpoint: Endpoint,
  signal: AbortSignal,
) => Promise<string | undefined>;

/** By a connection that is reset at once. Never rejects. */
export const proveByConnection: Prove = async (namespace, endpoint, signal) => {
  try {
    const fd = namespace.socket(endpoint.ip.includes(':') ? 6 : 4);
    return await connectOnceBy(fd, endpoint, proofTimeoutMs, signal);
  } catch (thrown) {
    return (thrown instanceof AppError ? thrown.errno : codeOf(thrown)) ?? describeFailure(thrown);
  }
};
