/**
 * Which routes the kernel can serve, and which need the proxy, with the reason. Pure.
 *
 *     const plan = planRoute(6379, target, backend, surroundings);
 *     if (plan.kind === 'kernel') planFamily(plan.tier, 4, (endpoint) => proofs.of(endpoint));
 */
import { isLoopbackOrLinkLocal } from '../core/address.ts';
import { type Endpoint, endpointKey } from '../core/endpoint.ts';
import type { BackendEntry, RouteTarget } from '../route/table.ts';
import { maxEndpoints } from './layout.ts';

export type Family = 4 | 6;

/** How endpoints have their turns in the kernel; `first` is a set of one. */
export type TurnPolicy = 'in-turn' | 'by-lot';

export type RoutePlan =
  | {
      readonly kind: 'kernel';
      readonly turns: TurnPolicy;
      /** The endpoints of the best priority that has one which is not down; of `first`, that one. */
      readonly tier: readonly Endpoint[];
    }
  | ProxyReason;

/** The proxy serves it; `reason` completes `proxy (…)`. */
export interface ProxyReason {
  readonly kind: 'proxy';
  readonly reason: string;
}

/** Whether a connection from the caller's own namespace has been accepted by an endpoint. */
export type Proof =
  | { readonly kind: 'proved' | 'pending' }
  | { readonly kind: 'failed'; readonly code: string };

/** What never changes for as long as a backend is there: undefined where nothing of it needs the proxy. */
export function needOfProxy({ options }: Pick<BackendEntry, 'options'>): string | undefined {
  if (options.sendProxy !== undefined) return 'send-proxy';
  if (options.balance === 'leastconn') return 'leastconn';
  if (options.connectTimeoutMs !== undefined) return 'connect-timeout';
  return undefined;
}

/** Where the ambassador is found, which callers dial. */
export interface Surroundings {
  /** Canonical. */
  readonly addresses: ReadonlySet<string>;
  /** Ports at these addresses that lead to whoever listens there, not to a backend. */
  readonly exceptPorts: ReadonlySet<number>;
}

export function planRoute(
  port: number,
  target: RouteTarget,
  backend: BackendEntry | undefined,
  surroundings: Surroundings,
): RoutePlan {
  if (target.kind === 'refused') return proxy('refused');
  if (surroundings.exceptPorts.has(port)) return proxy('the rules leave the port out');
  if (backend === undefined || !backend.isResolved) return proxy('its source has not answered yet');
  const need = needOfProxy(backend);
  if (need !== undefined) return proxy(need);
  const { endpoints, down = [], options } = backend;
  if (endpoints.length === 0) return proxy('no endpoint');
  const up = endpoints.filter((candidate) => !down.includes(endpointKey(candidate)));
  if (up.length === 0) return proxy('every endpoint is down');
  const best = Math.min(...up.map(({ priority }) => priority));
  const tier = up.filter(({ priority }) => priority === best);
  const local = tier.find(({ ip }) => isLoopbackOrLinkLocal(ip) || surroundings.addresses.has(ip));
  if (local !== undefined) return proxy(`${endpointKey(local)} is the ambassador's own`);
  if (options.balance === 'first') return { kind: 'kernel', turns: 'in-turn', tier: tier.slice(0, 1) };
  if (tier.length > maxEndpoints) return proxy(`more than ${maxEndpoints} endpoints`);
  return { kind: 'kernel', turns: options.balance === 'random' ? 'by-lot' : 'in-turn', tier };
}

/**
 * What the callers that dial by one family are led to. A socket cannot change its family, so the family has to reach
 * everything that the tier names: a server that has the other kind of address only would get no connection any more.
 */
export function planFamily(
  tier: readonly Endpoint[],
  family: Family,
  proofOf: (endpoint: Endpoint) => Proof,
): { readonly kind: 'kernel'; readonly endpoints: readonly Endpoint[] } | ProxyReason {
  const members = tier.filter((candidate) => familyOf(candidate) === family);
  const reached = new Set(members.map(({ name }) => name));
  const missed = tier.find(({ name }) => !reached.has(name));
  if (missed !== undefined) return proxy(`${missed.name} has no IPv${family} address`);
  for (const member of members) {
    const proof = proofOf(member);
    if (proof.kind !== 'failed') continue;
    return proxy(`${endpointKey(member)} cannot be reached by the caller itself: ${proof.code}`);
  }
  // One that has just come in joins the others when it is proved.
  const proved = members.filter((member) => proofOf(member).kind === 'proved');
  return proved.length === 0 ? proxy('its endpoints are being tried') : { kind: 'kernel', endpoints: proved };
}

export function familyOf({ ip }: Pick<Endpoint, 'ip'>): Family {
  return ip.includes(':') ? 6 : 4;
}

function proxy(reason: string): ProxyReason {
  return { kind: 'proxy', reason };
}
