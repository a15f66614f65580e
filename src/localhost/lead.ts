/**
 * What `localhost` of a container leads to: connectable's labels `connect.<port>` let a caller dial `localhost:<port>`.
 *
 *     planLead(container, places);   // { kind: 'lead', lead: { address: '172.17.0.2', ports: [6379] } }
 *
 * This file says what is wanted. rules.ts sets it in the network namespace that it runs in, nft-text.ts and iptables-text.ts
 * write it down; entry.ts and its kinds bring rules.ts into a container's namespace; keeper.ts does that for each container
 * that asks for it, as they come and go. README.md has the picture.
 */
import { isIPv4 } from 'node:net';
import { labelledPorts } from '../caller/routes.ts';
import type { Container } from '../docker/container.ts';

/** Connections to these ports of 127.0.0.1 go to the same ports of an address. */
export interface Lead {
  /** IPv4: the ambassador's. */
  readonly address: string;
  /** Ascending, at least one. */
  readonly ports: readonly number[];
}

export type LeadPlan =
  /** The container has no such label: it is left alone. */
  | { readonly kind: 'none' }
  | { readonly kind: 'lead'; readonly lead: Lead }
  /** It has, but its localhost cannot be led anywhere; why, and what to do. */
  | { readonly kind: 'refused'; readonly reason: string };

/** Where callers find the ambassador. */
export interface AmbassadorPlace {
  /** Its own container, whose localhost stays its own. */
  readonly selfId: string | undefined;
  /** The one IPv4 address that containers of every network reach it by (host networking); absent: those of its own networks. */
  readonly hostAddress?: string | undefined;
}

/** @param self the ambassador's container as it is now */
export function planLead(
  container: Container,
  place: AmbassadorPlace,
  self: Container | undefined,
): LeadPlan {
  const ports = labelledPorts(container.labels);
  if (ports.length === 0 || container.id === place.selfId) return { kind: 'none' };
  const refused = (reason: string) => ({ kind: 'refused', reason }) as const;
  const { networkMode } = container;
  if (networkMode === 'host') {
    return refused(
      "it shares the host's network, where localhost is everybody's: dial the ambassador by name",
    );
  }
  if (networkMode.startsWith('container:')) {
    const owner = networkMode.slice('container:'.length).slice(0, 12);
    return refused(`it shares the network of container ${owner}: put the labels on that one`);
  }
  if (networkMode === 'none') return refused('it has no network');
  const address = place.hostAddress ?? sharedAddress(container, self);
  return address === undefined
    ? refused(
        `it shares no IPv4 network with the ambassador: docker network connect <network> ${self?.name ?? '<ambassador>'}`,
      )
    : { kind: 'lead', lead: { address, ports } };
}

function sharedAddress(container: Container, self: Container | undefined): string | undefined {
  const shared = self?.networks.filter(({ id }) => container.networks.some((network) => network.id === id));
  return shared?.flatMap(({ addresses }) => addresses).find((address) => isIPv4(address));
}
