import type { Endpoint } from '../core/endpoint.ts';
import { writeSockaddr } from '../sys/write-sockaddr.ts';
import { routeKey, slot, slotEndpoint } from './layout.ts';
import { type Family, familyOf, type TurnPolicy } from './plan.ts';
import { wheelOf } from './wheel.ts';

/** Whose route: the number of the caller's network namespace, and the port that it dials. */
export interface RouteId {
  readonly cookie: bigint;
  readonly port: number;
}

/** What a route leads to, by the family that is dialled; an empty list leaves that family to the proxy. */
export interface RouteContents {
  readonly turns: TurnPolicy;
  readonly endpoints: Readonly<Record<Family, readonly Endpoint[]>>;
}

/** The endpoints of both families in the order in which a slot has them. */
export function endpointsOf({ endpoints }: RouteContents): readonly Endpoint[] {
  return [...endpoints[4], ...endpoints[6]];
}

export function encodeRouteKey({ cookie, port }: RouteId): Buffer {
  const bytes = Buffer.alloc(routeKey.size);
  bytes.writeBigUInt64LE(cookie, routeKey.cookie);
  bytes.writeUInt16BE(port, routeKey.port);
  return bytes;
}

/** 16 bytes; an IPv4 address as the IPv6 address that maps it. */
export function encodeAddress(ip: string): Buffer {
  const sockaddr = writeSockaddr({ ip, port: 0 });
  if (familyOf({ ip }) === 6) return sockaddr.subarray(8, 24);
  return Buffer.concat([Buffer.from('00000000000000000000ffff', 'hex'), sockaddr.subarray(4, 8)]);
}

/** A slot's bytes: every turn and every count at the beginning. */
export function encodeSlot({ cookie, port }: RouteId, contents: RouteContents): Buffer {
  const bytes = Buffer.alloc(slot.size);
  bytes.writeBigUInt64LE(cookie, slot.cookie);
  bytes.writeUInt16BE(port, slot.port);
  bytes.writeUInt32LE(contents.turns === 'by-lot' ? 1 : 0, slot.isRandom);
  for (const family of [4, 6] as const) {
    const endpoints = contents.endpoints[family];
    const wheel = endpoints.length === 0 ? [] : wheelOf(endpoints);
    const before = family === 4 ? 0 : contents.endpoints[4].length;
    bytes.writeUInt32LE(wheel.length, slot.turns[family]);
    bytes.set(
      wheel.map((place) => before + place),
      slot.wheel[family],
    );
  }
  for (const [index, endpoint] of endpointsOf(contents).entries()) {
    const at = slot.endpoints + index * slotEndpoint.size;
    bytes.set(encodeAddress(endpoint.ip), at + slotEndpoint.address);
    bytes.writeUInt16BE(endpoint.port, at + slotEndpoint.port);
  }
  return bytes;
}

/** How many connections each endpoint of a slot has been given. @param count of endpoints */
export function readConnects(bytes: Buffer, count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) =>
    Number(bytes.readBigUInt64LE(slot.endpoints + index * slotEndpoint.size + slotEndpoint.connects)),
  );
}
