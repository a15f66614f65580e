/**
 * The kernel path: the second data plane. It reads the route table and nothing else, and writes it into the kernel's maps,
 * where programs at connect(2) lead callers straight to their endpoints. README.md has the picture.
 *
 *     const path = new KernelPath({ routes: table, checks: health, surroundings, openNamespace, maps, slots, logger });
 *     await path.start();
 *     path.pathOf(callerId, 6379); // { kind: 'kernel' }
 */
import type { Endpoint } from '../core/endpoint.ts';
import { AppError, codeOf, messageOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Part } from '../core/part.ts';
import { Slots } from '../core/slots.ts';
import { connectOnceBy } from '../health/connect-once.ts';
import type { EndpointHealth } from '../health/endpoint-health.ts';
import type { CallerEntry, RouteChange, RouteReader } from '../route/table.ts';
import type { NetworkNamespace, OpenNetworkNamespace } from '../sys/network-namespace.ts';
import { CallerRoutes, type EndpointConnects, isOfInterest, type RoutePath } from './caller-routes.ts';
import { describeFailure, enterCaller } from './enter.ts';
import { needOfProxy, type Surroundings } from './plan.ts';
import { Proofs } from './proofs.ts';
import type { RouteMaps } from './route-maps.ts';

export interface KernelPathOptions {
  readonly routes: Pick<RouteReader, 'snapshot' | 'subscribe' | 'backend'>;
  /** Nobody dials here, so nobody else would find out that an endpoint is down. */
  readonly checks: Pick<EndpointHealth, 'check'>;
  readonly surroundings: () => Promise<Surroundings>;
  readonly openNamespace: OpenNetworkNamespace;
  readonly maps: RouteMaps;
  /** Takes the programs out of the kernel. */
  readonly detach: () => void;
  readonly logger: Logger;
}

/** What the kernel path has done: plain data, to be read with the proxy's counters. */
export interface KernelCounters {
  /** Routes that the kernel serves now. */
  readonly routes: number;
  /** For each caller, port and endpoint that there is now. */
  readonly connects: readonly (EndpointConnects & { readonly callerId: string; readonly caller: string })[];
}

/** Time between two checks of an endpoint that the kernel may lead callers to, ms; a backend's own `check=` may be shorter. */
const checkEveryMs = 1000;
/** Time between two looks at addresses and listeners, and between two tries to enter a namespace, ms. */
const roundMs = 5000;
/** A namespace that could not be entered is tried again after 1, 2, 4 … rounds, and this many at most. */
const maxRoundsBetweenTries = 64;
/** Every so many rounds, what callers reach themselves is tried again. */
const roundsBetweenProofs = 2;
/** How long a caller's own connection to an endpoint may take, ms. */
const proofTimeoutMs = 1000;
/** Such connections at one time. */
const maxProofs = 64;

interface Caller {
  entry: CallerEntry;
  state: Entered | Outside;
  /** How often its namespace has been tried in vain; each time the next try is twice as far away. */
  failures: number;
  /** The round in which it is tried again. */
  retryRound: number;
}
interface Entered {
  readonly kind: 'entered';
  readonly namespace: NetworkNamespace;
  readonly proofs: Proofs;
  readonly routes: CallerRoutes;
}
interface Outside {
  readonly kind: 'outside';
  readonly reason: string;
}

export class KernelPath implements Part {
  readonly #options: KernelPathOptions;
  readonly #callers = new Map<string, Caller>();
  readonly #slots = new Slots(maxProofs);
  /** Backends whose endpoints are checked for the kernel's sake, with what was asked for last. */
  readonly #checked = new Map<string, readonly Endpoint[]>();
  /** The path that was told last, by caller and port. */
  readonly #told = new Map<string, string>();
  #surroundings: Surroundings = { addresses: new Set(), exceptPorts: new Set() };
  #state: 'new' | 'running' | 'stopped' = 'new';
  #unsubscribe: () => void = () => {};
  #timer: NodeJS.Timeout | undefined;
  #round = 0;
  #isCheckingDue = false;
  #isTelling = false;

  constructor(options: KernelPathOptions) {
    this.#options = options;
  }

  /** @throws the error of reading the surroundings, AppError ERR_SYSCALL */
  async start(): Promise<void> {
    if (this.#state !== 'new') return;
    try {
      this.#surroundings = await this.#options.surroundings();
      this.#options.maps.setOwnAddresses([...this.#surroundings.addresses]);
    } catch (thrown) {
      await this.stop();
      throw thrown;
    }
    if (this.#state !== 'new') return;
    this.#state = 'running';
    for (const change of this.#options.routes.snapshot()) this.#take(change);
    this.#unsubscribe = this.#options.routes.subscribe((change) => this.#take(change));
    this.#timer = setInterval(() => void this.#look(), roundMs);
  }

  async stop(): Promise<void> {
    if (this.#state === 'stopped') return;
    this.#state = 'stopped';
    this.#unsubscribe();
    clearInterval(this.#timer);
    // The hooks first: what the maps hold is of no account from here on.
    this.#options.detach();
    for (const { state } of this.#callers.values()) close(state);
    this.#callers.clear();
    for (const key of this.#checked.keys()) this.#options.checks.check(checkOwner(key), [], checkEveryMs);
    this.#checked.clear();
    this.#options.maps.close();
  }

  /** Which path serves a caller's port, and why. */
  pathOf(callerId: string, port: number): RoutePath {
    const caller = this.#callers.get(callerId);
    if (caller === undefined) return { kind: 'proxy', reason: 'the caller is not known', isPassing: false };
    if (caller.state.kind === 'outside')
      return { kind: 'proxy', reason: caller.state.reason, isPassing: false };
    return caller.state.routes.paths.get(port) ?? { kind: 'proxy', reason: 'no route', isPassing: false };
  }

  get counters(): KernelCounters {
    let routes = 0;
    const connects: KernelCounters['connects'][number][] = [];
    for (const [callerId, { entry, state }] of this.#callers) {
      if (state.kind === 'outside') continue;
      for (const path of state.routes.paths.values()) if (path.kind === 'kernel') routes++;
      for (const row of state.routes.connects()) connects.push({ callerId, caller: entry.name, ...row });
    }
    return { routes, connects };
  }

  /**
   * Resolves once no route waits for a first proof, or the time is over. Until then nothing is told: start-up says what it
   * has come to.
   */
  async settled(withinMs: number): Promise<void> {
    const deadline = performance.now() + withinMs;
    const isPassing = ({ state }: Caller) =>
      state.kind === 'entered' &&
      [...state.routes.paths.values()].some((p) => p.kind === 'proxy' && p.isPassing);
    while ([...this.#callers.values()].some(isPassing) && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    this.#isTelling = true;
  }

  #take(change: RouteChange): void {
    this.#guarded(() => {
      switch (change.kind) {
        case 'caller':
          return this.#setCaller(change.caller);
        case 'caller-gone':
          return this.#dropCaller(change.id);
        case 'backend': {
          for (const caller of this.#callers.values()) {
            if (leadsTo(caller.entry, change.backend.key)) this.#sync(caller);
          }
          return;
        }
        case 'backend-gone':
          return;
      }
    });
  }

  #setCaller(entry: CallerEntry): void {
    const known = this.#callers.get(entry.id);
    if (known === undefined) {
      const caller: Caller = { entry, state: notTried, failures: 0, retryRound: 0 };
      this.#callers.set(entry.id, caller);
      this.#sync(caller);
      return;
    }
    const isAnother =
      known.entry.pid !== entry.pid || known.entry.addresses.join() !== entry.addresses.join();
    known.entry = entry;
    if (isAnother) {
      // Another run of the container, or another place in the network: nothing that was found out counts.
      leave(known);
      Object.assign(known, { state: notTried, failures: 0, retryRound: 0 });
    }
    this.#sync(known);
  }

  #dropCaller(id: string): void {
    const caller = this.#callers.get(id);
    if (caller === undefined) return;
    this.#callers.delete(id);
    for (const port of caller.entry.routes.keys()) this.#told.delete(`${id} ${port}`);
    leave(caller);
    this.#checkSoon();
  }

  #sync(caller: Caller): void {
    if (caller.state.kind === 'outside' && caller.retryRound <= this.#round) this.#enter(caller);
    const { entry, state } = caller;
    if (state.kind === 'entered') {
      state.routes.sync(entry);
      state.proofs.keep(state.routes.endpointKeys);
    }
    for (const port of entry.routes.keys()) this.#tell(entry, port);
    this.#checkSoon();
  }

  /** A container without a route that the kernel could serve is left alone. */
  #enter(caller: Caller): void {
    const { routes, openNamespace, maps } = this.#options;
    const backend = (key: string) => routes.backend(key);
    if (!isOfInterest(caller.entry, backend)) {
      caller.state = { kind: 'outside', reason: '' };
      return;
    }
    const entered = enterCaller(caller.entry, openNamespace);
    if (!entered.ok) {
      caller.state = { kind: 'outside', reason: entered.error.message };
      caller.retryRound = this.#round + Math.min(2 ** caller.failures++, maxRoundsBetweenTries);
      return;
    }
    const namespace = entered.value;
    const proofs = new Proofs({
      connect: (endpoint, signal) => connectFrom(namespace, endpoint, signal),
      slots: this.#slots,
      onChange: () => this.#guarded(() => this.#sync(caller)),
    });
    const callerRoutes = new CallerRoutes({
      maps,
      backend,
      surroundings: () => this.#surroundings,
      proofOf: (endpoint) => proofs.of(endpoint),
      cookie: namespace.cookie,
    });
    caller.state = { kind: 'entered', namespace, proofs, routes: callerRoutes };
  }

  /** What changes without a word: the ambassador's addresses, what its host listens on, what networks let through. */
  async #look(): Promise<void> {
    const before = JSON.stringify([...this.#surroundings.addresses, ...this.#surroundings.exceptPorts]);
    try {
      this.#surroundings = await this.#options.surroundings();
    } catch (thrown) {
      this.#options.logger.warn(
        `kernel path: own addresses cannot be read, the last ones stay: ${messageOf(thrown)}`,
      );
    }
    if (this.#state !== 'running') return;
    const { addresses, exceptPorts } = this.#surroundings;
    const isChanged = JSON.stringify([...addresses, ...exceptPorts]) !== before;
    const isProofDue = ++this.#round % roundsBetweenProofs === 0;
    this.#guarded(() => {
      if (isChanged) this.#options.maps.setOwnAddresses([...addresses]);
      for (const caller of this.#callers.values()) {
        const { state } = caller;
        const isDue = state.kind === 'outside' ? caller.retryRound <= this.#round : state.routes.isShort;
        if (isChanged || isDue) this.#sync(caller);
        if (isProofDue && state.kind === 'entered') state.proofs.again();
      }
    });
  }

  /** Checks are set a moment later: what they find out at once would come back here while a change is being told. */
  #checkSoon(): void {
    if (this.#isCheckingDue) return;
    this.#isCheckingDue = true;
    setImmediate(() => {
      this.#isCheckingDue = false;
      if (this.#state === 'running') this.#setChecks();
    });
  }

  #setChecks(): void {
    const { routes, checks } = this.#options;
    const wanted = new Set<string>();
    for (const { entry, state } of this.#callers.values()) {
      if (state.kind === 'outside') continue;
      for (const target of entry.routes.values())
        if (target.kind === 'backend') wanted.add(target.backendKey);
    }
    for (const key of this.#checked.keys()) {
      if (wanted.has(key)) continue;
      this.#checked.delete(key);
      checks.check(checkOwner(key), [], checkEveryMs);
    }
    for (const key of wanted) {
      const backend = routes.backend(key);
      if (backend === undefined || needOfProxy(backend) !== undefined) continue;
      if (this.#checked.get(key) === backend.endpoints) continue;
      this.#checked.set(key, backend.endpoints);
      checks.check(checkOwner(key), backend.endpoints, checkEveryMs);
    }
  }

  #tell(entry: CallerEntry, port: number): void {
    const path = this.pathOf(entry.id, port);
    if (path.kind === 'proxy' && (path.isPassing || path.reason === '')) return;
    const text = describePath(path);
    const key = `${entry.id} ${port}`;
    if (this.#told.get(key) === text) return;
    this.#told.set(key, text);
    if (!this.#isTelling) return;
    this.#options.logger.info(`caller ${entry.name}: ${port} -> ${text}`, { caller: entry.name });
  }

  /** Maps that are not certain would lead callers astray: rather no kernel path at all. */
  #guarded(run: () => void): void {
    if (this.#state !== 'running') return;
    try {
      run();
    } catch (thrown) {
      const code = codeOf(thrown);
      this.#options.logger.error(`kernel path given up, the proxy serves every route: ${messageOf(thrown)}`, {
        code,
      });
      void this.stop();
    }
  }
}

const notTried: Outside = { kind: 'outside', reason: '' };

/** `kernel`, `proxy (leastconn)` */
export function describePath(path: RoutePath): string {
  return path.kind === 'kernel' ? 'kernel' : `proxy (${path.reason})`;
}

function leadsTo({ routes }: CallerEntry, backendKey: string): boolean {
  for (const target of routes.values()) {
    if (target.kind === 'backend' && target.backendKey === backendKey) return true;
  }
  return false;
}

function leave({ state }: Caller): void {
  try {
    if (state.kind === 'entered') state.routes.clear();
  } finally {
    close(state);
  }
}

function close(state: Caller['state']): void {
  if (state.kind === 'outside') return;
  state.proofs.stop();
  state.namespace.close();
}

async function connectFrom(
  namespace: NetworkNamespace,
  endpoint: Endpoint,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const fd = namespace.socket(endpoint.ip.includes(':') ? 6 : 4);
    return await connectOnceBy(fd, endpoint, proofTimeoutMs, signal);
  } catch (thrown) {
    return (thrown instanceof AppError ? thrown.errno : codeOf(thrown)) ?? describeFailure(thrown);
  }
}

function checkOwner(backendKey: string): string {
  return `kernel ${backendKey}`;
}
