import { type Endpoint, endpointKey } from '../core/endpoint.ts';
import type { BackendEntry, CallerEntry, RouteTarget } from '../route/table.ts';
import { type Family, needOfProxy, type Proof, planFamily, planRoute, type Surroundings } from './plan.ts';
import type { RouteMaps } from './route-maps.ts';
import { byProxy, type RoutePath } from './route-path.ts';
import { endpointsOf, type RouteContents } from './slot.ts';

/** What one endpoint of a caller's route has been given by the kernel. */
export interface EndpointConnects {
  readonly port: number;
  readonly backendKey: string;
  readonly endpoint: string;
  /** Connections that were led there; whether it accepted them the kernel does not count. */
  readonly connects: number;
}

/** What a caller's routes are made of, read anew at every `sync`. */
export interface CallerRoutesOptions {
  readonly maps: Pick<RouteMaps, 'install' | 'remove' | 'release' | 'connects'>;
  readonly backend: (key: string) => BackendEntry | undefined;
  readonly surroundings: () => Surroundings;
  readonly proofOf: (endpoint: Endpoint) => Proof;
  /** Number of the caller's network namespace. */
  readonly cookie: bigint;
}

interface Installed {
  readonly slot: number;
  readonly contents: RouteContents;
  readonly backendKey: string;
  /** Equal for versions that behave alike. */
  readonly signature: string;
}

type Wanted =
  | { readonly contents: RouteContents; readonly backendKey: string }
  | Extract<RoutePath, { kind: 'proxy' }>;

const noRoom: RoutePath = byProxy('the kernel has no room for more routes');

/** One caller's routes in the kernel, kept in step with the table. */
export class CallerRoutes {
  readonly #options: CallerRoutesOptions;
  readonly #installed = new Map<number, Installed>();
  readonly #paths = new Map<number, RoutePath>();
  /** What earlier versions of a route have counted: port -> backend and endpoint -> connections. */
  readonly #earlier = new Map<number, Map<string, number>>();
  /** By port: every endpoint that the route leads to, or would if it were proved. */
  readonly #endpointKeys = new Map<number, readonly string[]>();

  constructor(options: CallerRoutesOptions) {
    this.#options = options;
  }

  /** By port. */
  get paths(): ReadonlyMap<number, RoutePath> {
    return this.#paths;
  }

  /** Whether a route has found no room in the kernel: it may later. */
  get isShort(): boolean {
    return [...this.#paths.values()].some((path) => path === noRoom);
  }

  /** Every endpoint that a route leads to, or would if it were proved. */
  get endpointKeys(): ReadonlySet<string> {
    return new Set([...this.#endpointKeys.values()].flat());
  }

  /**
   * Brings the maps in step with the table.
   *
   * @param ports those that something has changed for; absent: all
   * @returns whether an endpoint has left a route
   * @throws AppError ERR_SYSCALL where the kernel refuses: what stands in the maps is not certain then
   */
  sync({ routes }: Pick<CallerEntry, 'routes'>, ports?: Iterable<number>): boolean {
    let hasLost = false;
    for (const port of ports ?? [...new Set([...this.#paths.keys(), ...routes.keys()])]) {
      const before = this.#endpointKeys.get(port) ?? [];
      const target = routes.get(port);
      if (target === undefined) this.#forget(port);
      else this.#syncPort(port, target);
      const now = this.#endpointKeys.get(port) ?? [];
      hasLost ||= before.some((key) => !now.includes(key));
    }
    return hasLost;
  }

  /** Takes every route away. @throws AppError ERR_SYSCALL */
  clear(): void {
    for (const port of [...this.#paths.keys()]) this.#forget(port);
  }

  /** What the kernel has done for this caller, endpoints that a backend has lost left out. */
  connects(): readonly EndpointConnects[] {
    return [...this.#paths.keys()].flatMap((port) => {
      const counts = new Map(this.#earlier.get(port));
      const installed = this.#installed.get(port);
      if (installed !== undefined) this.#addCounts(counts, installed);
      return [...counts].map(([key, connects]) => {
        const [backendKey, endpoint] = JSON.parse(key) as [string, string];
        return { port, backendKey, endpoint, connects };
      });
    });
  }

  #syncPort(port: number, target: RouteTarget): void {
    const backend = target.kind === 'backend' ? this.#options.backend(target.backendKey) : undefined;
    const plan = planRoute(port, target, backend, this.#options.surroundings());
    if (plan.kind === 'proxy' || backend === undefined) {
      this.#endpointKeys.delete(port);
      const reason = plan.kind === 'proxy' ? plan.reason : '';
      this.#put(port, byProxy(reason, backend?.isResolved === false));
      return;
    }
    this.#endpointKeys.set(port, plan.tier.map(endpointKey));
    this.#put(port, this.#wanted(plan, backend));
  }

  #wanted(plan: Extract<ReturnType<typeof planRoute>, { kind: 'kernel' }>, backend: BackendEntry): Wanted {
    const { proofOf } = this.#options;
    const families = {
      4: planFamily(plan.tier, 4, proofOf),
      6: planFamily(plan.tier, 6, proofOf),
    };
    const endpoints = (family: Family) => {
      const planned = families[family];
      return planned.kind === 'kernel' ? planned.endpoints : [];
    };
    const contents: RouteContents = { turns: plan.turns, endpoints: { 4: endpoints(4), 6: endpoints(6) } };
    if (endpointsOf(contents).length > 0) return { contents, backendKey: backend.key };
    // Of the family that the backend has.
    const isIpv6Only = plan.tier.every(({ ip }) => ip.includes(':'));
    const reason = families[isIpv6Only ? 6 : 4];
    const isPassing = plan.tier.some((candidate) => proofOf(candidate).kind === 'pending');
    return byProxy(reason.kind === 'proxy' ? reason.reason : '', isPassing);
  }

  #put(port: number, wanted: Wanted): void {
    const before = this.#installed.get(port);
    if ('kind' in wanted) {
      this.#remove(port, before);
      this.#paths.set(port, wanted);
      return;
    }
    const signature = signatureOf(wanted.contents);
    if (before?.signature === signature && before.backendKey === wanted.backendKey) return;
    const slot = this.#options.maps.install({ cookie: this.#options.cookie, port }, wanted.contents);
    if (slot === undefined) {
      // The version that stands is not true any more.
      this.#remove(port, before);
      this.#paths.set(port, noRoom);
      return;
    }
    if (before !== undefined) this.#retire(port, before);
    this.#installed.set(port, { slot, signature, ...wanted });
    this.#paths.set(port, { kind: 'kernel' });
  }

  #remove(port: number, before: Installed | undefined): void {
    if (before === undefined) return;
    this.#options.maps.remove({ cookie: this.#options.cookie, port });
    this.#installed.delete(port);
    this.#retire(port, before);
  }

  #forget(port: number): void {
    this.#remove(port, this.#installed.get(port));
    this.#paths.delete(port);
    this.#earlier.delete(port);
    this.#endpointKeys.delete(port);
  }

  /** Nothing leads to this version any more: what it has counted is kept, its slot is free. */
  #retire(port: number, version: Installed): void {
    const counts = this.#earlier.get(port) ?? new Map<string, number>();
    this.#addCounts(counts, version);
    const known = new Set(this.#options.backend(version.backendKey)?.endpoints.map(endpointKey));
    for (const key of counts.keys()) {
      if (!known.has((JSON.parse(key) as [string, string])[1])) counts.delete(key);
    }
    this.#earlier.set(port, counts);
    this.#options.maps.release(version.slot);
  }

  #addCounts(counts: Map<string, number>, { slot, contents, backendKey }: Installed): void {
    const endpoints = endpointsOf(contents);
    for (const [index, connects] of this.#options.maps.connects(slot, endpoints.length).entries()) {
      const endpoint = endpoints[index];
      if (endpoint === undefined) continue;
      const key = JSON.stringify([backendKey, endpointKey(endpoint)]);
      counts.set(key, (counts.get(key) ?? 0) + connects);
    }
  }
}

/** Whether the kernel could ever serve one of a caller's routes: only then is its namespace of interest. */
export function isOfInterest(
  { routes }: Pick<CallerEntry, 'routes'>,
  backend: CallerRoutesOptions['backend'],
): boolean {
  return [...routes.values()].some((target) => {
    const entry = target.kind === 'backend' ? backend(target.backendKey) : undefined;
    return entry !== undefined && needOfProxy(entry) === undefined;
  });
}

function signatureOf({ turns, endpoints }: RouteContents): string {
  const list = (family: Family) => endpoints[family].map((e) => [endpointKey(e), e.weight]);
  return JSON.stringify([turns, list(4), list(6)]);
}
