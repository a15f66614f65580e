/**
 * The kernel path: the second data plane. It reads the route table and nothing else, and writes it into the kernel's maps,
 * where programs at connect(2) lead callers straight to their endpoints. README.md has the picture.
 *
 *     const path = new KernelPath({ routes: table, checks: health, surroundings, openNamespace, maps, detach, logger });
 *     await path.start();
 *     path.pathOf(callerId, 6379); // { kind: 'kernel' }
 */
import { codeOf, messageOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Part } from '../core/part.ts';
import { Slots } from '../core/slots.ts';
import type { EndpointHealth } from '../health/endpoint-health.ts';
import type { CallerEntry, RouteChange, RouteReader } from '../route/table.ts';
import type { OpenNetworkNamespace } from '../sys/network-namespace.ts';
import type { EndpointConnects } from './caller-routes.ts';
import { EndpointChecks } from './endpoint-checks.ts';
import { KernelCaller, type KernelCallerOptions, type Prove } from './kernel-caller.ts';
import type { Surroundings } from './plan.ts';
import type { RouteMaps } from './route-maps.ts';
import { byProxy, describePath, type RoutePath } from './route-path.ts';

export interface KernelPathOptions {
  readonly routes: Pick<RouteReader, 'snapshot' | 'subscribe' | 'backend'>;
  readonly checks: Pick<EndpointHealth, 'check'>;
  readonly surroundings: () => Promise<Surroundings>;
  readonly openNamespace: OpenNetworkNamespace;
  readonly prove: Prove;
  readonly maps: Pick<RouteMaps, 'install' | 'remove' | 'release' | 'connects' | 'setOwnAddresses' | 'close'>;
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

/** Time between two looks at addresses and listeners, and between two tries to enter a namespace, ms. */
const roundMs = 5000;
/** Every so many rounds, what callers reach themselves is tried again. */
const roundsBetweenProofs = 2;
/** Proofs that are begun in one round, besides those of what is new. */
const maxProofsPerRound = 500;
/** Connections of callers that prove endpoints, at one time. */
const maxProofs = 64;

export class KernelPath implements Part {
  readonly #options: KernelPathOptions;
  readonly #callerOptions: KernelCallerOptions;
  readonly #callers = new Map<string, KernelCaller>();
  readonly #checks: EndpointChecks;
  /** Who has routes to a backend, and from which ports. */
  readonly #users = new Map<string, Map<KernelCaller, readonly number[]>>();
  /** The path that was told last, by caller and port. */
  readonly #told = new Map<string, string>();
  #surroundings: Surroundings = { addresses: new Set(), exceptPorts: new Set() };
  #state: 'new' | 'running' | 'stopped' = 'new';
  #unsubscribe: () => void = () => {};
  #timer: NodeJS.Timeout | undefined;
  #round = 0;
  #isTelling = false;
  /** Who is still to prove again what he reaches. */
  #provers: KernelCaller[] = [];

  constructor(options: KernelPathOptions) {
    this.#options = options;
    const { routes, maps, openNamespace, prove, checks } = options;
    this.#callerOptions = {
      maps,
      openNamespace,
      prove,
      backend: (key) => routes.backend(key),
      surroundings: () => this.#surroundings,
      slots: new Slots(maxProofs),
      onProof: (caller) => this.#guarded(() => this.#sync(caller)),
    };
    this.#checks = new EndpointChecks({ routes, checks, wanted: () => this.#backendsInUse() });
  }

  /** @throws the error of reading the surroundings, AppError ERR_SYSCALL; the programs are out of the kernel then */
  async start(): Promise<void> {
    if (this.#state !== 'new') return;
    try {
      this.#surroundings = await this.#options.surroundings();
      if (this.#state !== 'new') return;
      this.#options.maps.setOwnAddresses([...this.#surroundings.addresses]);
      this.#state = 'running';
      for (const change of this.#options.routes.snapshot()) this.#take(change);
    } catch (thrown) {
      await this.stop();
      throw thrown;
    }
    this.#unsubscribe = this.#options.routes.subscribe((change) => this.#guarded(() => this.#take(change)));
    this.#timer = setInterval(() => void this.#look(), roundMs);
  }

  async stop(): Promise<void> {
    if (this.#state === 'stopped') return;
    this.#state = 'stopped';
    this.#unsubscribe();
    clearInterval(this.#timer);
    // The hooks first: what the maps hold is of no account from here on.
    this.#options.detach();
    for (const caller of this.#callers.values()) caller.close();
    this.#callers.clear();
    this.#users.clear();
    this.#checks.stop();
    this.#options.maps.close();
  }

  /** Which path serves a caller's port, and why. */
  pathOf(callerId: string, port: number): RoutePath {
    if (this.#state === 'stopped') return byProxy('the kernel path has ended');
    return this.#callers.get(callerId)?.pathOf(port) ?? byProxy('the caller is not known');
  }

  get counters(): KernelCounters {
    let routes = 0;
    const connects: KernelCounters['connects'][number][] = [];
    for (const [callerId, caller] of this.#callers) {
      for (const path of caller.paths.values()) if (path.kind === 'kernel') routes++;
      for (const row of caller.connects()) connects.push({ callerId, caller: caller.entry.name, ...row });
    }
    return { routes, connects };
  }

  /**
   * Resolves once no route waits for a first proof, or the time is over. Until then nothing is told: start-up says what it
   * has come to.
   */
  async settled(withinMs: number): Promise<void> {
    const deadline = performance.now() + withinMs;
    const isPassing = (caller: KernelCaller) =>
      [...caller.paths.values()].some((path) => path.kind === 'proxy' && path.isPassing);
    while ([...this.#callers.values()].some(isPassing) && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    this.#isTelling = true;
  }

  #take(change: RouteChange): void {
    switch (change.kind) {
      case 'caller':
        this.#setCaller(change.caller);
        break;
      case 'caller-gone':
        this.#dropCaller(change.id);
        break;
      case 'backend':
        for (const [caller, ports] of this.#users.get(change.backend.key) ?? []) this.#sync(caller, ports);
        break;
      case 'backend-gone':
        break;
    }
  }

  #setCaller(entry: CallerEntry): void {
    let caller = this.#callers.get(entry.id);
    if (caller === undefined) {
      caller = new KernelCaller(entry, this.#callerOptions);
      this.#callers.set(entry.id, caller);
    } else {
      this.#forgetUses(caller);
      caller.update(entry);
    }
    this.#noteUses(caller);
    this.#sync(caller);
  }

  #dropCaller(id: string): void {
    const caller = this.#callers.get(id);
    if (caller === undefined) return;
    this.#callers.delete(id);
    this.#forgetUses(caller);
    for (const port of caller.entry.routes.keys()) this.#told.delete(toldKey(id, port));
    this.#checks.update();
    caller.leave();
  }

  /** @param ports those that something has changed for; absent: all */
  #sync(caller: KernelCaller, ports?: readonly number[]): void {
    caller.sync(this.#round, ports);
    for (const port of ports ?? caller.entry.routes.keys()) this.#tell(caller, port);
    this.#checks.update();
  }

  #noteUses(caller: KernelCaller): void {
    for (const [key, ports] of usesOf(caller.entry)) {
      const users = this.#users.get(key) ?? new Map<KernelCaller, readonly number[]>();
      this.#users.set(key, users.set(caller, ports));
    }
  }

  #forgetUses(caller: KernelCaller): void {
    for (const key of usesOf(caller.entry).keys()) {
      const users = this.#users.get(key);
      users?.delete(caller);
      if (users?.size === 0) this.#users.delete(key);
    }
  }

  #backendsInUse(): ReadonlySet<string> {
    const isInUse = ([, users]: readonly [string, ReadonlyMap<KernelCaller, unknown>]) =>
      [...users.keys()].some(({ isEntered }) => isEntered);
    return new Set([...this.#users].filter(isInUse).map(([key]) => key));
  }

  /** What changes without a word: the ambassador's addresses, what its host listens on, what networks let through. */
  async #look(): Promise<void> {
    const before = this.#surroundings;
    try {
      this.#surroundings = await this.#options.surroundings();
    } catch (thrown) {
      const text = `kernel path: own addresses cannot be read, the last ones stay: ${messageOf(thrown)}`;
      this.#options.logger.warn(text);
    }
    const round = ++this.#round;
    const isChanged = textOf(this.#surroundings) !== textOf(before);
    this.#guarded(() => {
      if (isChanged) this.#options.maps.setOwnAddresses([...this.#surroundings.addresses]);
      for (const caller of this.#callers.values()) {
        if (isChanged || caller.isDue(round)) this.#sync(caller);
      }
      this.#proveSome();
    });
  }

  /** Callers take turns, so that the proofs of very many are spread over many rounds. */
  #proveSome(): void {
    if (this.#provers.length === 0 && this.#round % roundsBetweenProofs === 0) {
      this.#provers = [...this.#callers.values()];
    }
    for (let proofs = 0; proofs < maxProofsPerRound; ) {
      const caller = this.#provers.pop();
      if (caller === undefined) return;
      proofs += caller.proveAgain();
    }
  }

  #tell(caller: KernelCaller, port: number): void {
    const { entry } = caller;
    if (entry.routes.get(port)?.kind !== 'backend') return;
    const path = caller.pathOf(port);
    if (path.kind === 'proxy' && (path.isPassing || path.reason === '')) return;
    const text = describePath(path);
    const key = toldKey(entry.id, port);
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
      const text = `kernel path given up, the proxy serves every route: ${messageOf(thrown)}`;
      this.#options.logger.error(text, { code });
      void this.stop();
    }
  }
}

/** The ports that lead to each backend. */
function usesOf({ routes }: CallerEntry): ReadonlyMap<string, readonly number[]> {
  const uses = new Map<string, number[]>();
  for (const [port, target] of routes) {
    if (target.kind !== 'backend') continue;
    const ports = uses.get(target.backendKey);
    if (ports === undefined) uses.set(target.backendKey, [port]);
    else ports.push(port);
  }
  return uses;
}

function toldKey(id: string, port: number): string {
  return `${id} ${port}`;
}

function textOf({ addresses, exceptPorts }: Surroundings): string {
  return [...addresses, ...exceptPorts].join();
}
