/**
 * Where everything stands in the maps: the programs and the code that fills the maps both read it here.
 * Offsets and sizes in bytes; numbers little-endian, ports and addresses in network byte order, as the kernel hands them out.
 * An IPv4 address is written as the IPv6 address that maps it (`::ffff:a.b.c.d`).
 */

/** Routes: (namespace, dialled port) -> the slot that holds the route. */
export const routeKey = { size: 16, cookie: 0, port: 8 } as const;
export const routeValue = { size: 4, slot: 0 } as const;

/** Endpoints that one route can have, of both families together. */
export const maxEndpoints = 32;
/** Places of a wheel: the shares of weights are exact to this many parts. */
export const maxTurns = 128;

/**
 * A slot: one version of a route. It is written before a route leads to it and never changed while one does.
 * It names whose it is, so that a program that comes late to a slot in new hands sees that.
 */
export const slot = {
  cookie: 0,
  port: 8,
  /** 1: the turn is drawn by lot; 0: one after the other. */
  isRandom: 12,
  /** For each family: how many turns its wheel has; 0: the proxy serves it. */
  turns: { 4: 16, 6: 20 },
  /** The next turn. */
  next: { 4: 24, 6: 28 },
  /** A byte a turn: which endpoint has it. */
  wheel: { 4: 32, 6: 32 + maxTurns },
  endpoints: 32 + 2 * maxTurns,
  size: 32 + 2 * maxTurns + maxEndpoints * 32,
} as const;

/** An endpoint in a slot. */
export const slotEndpoint = { size: 32, address: 0, port: 16, connects: 24 } as const;

/** What a redirected socket remembers: where it is connected, and what its program had asked for. */
export const memory = { size: 40, address: 0, port: 16, dialledAddress: 20, dialledPort: 36 } as const;

/** The ambassador's own addresses: address -> anything. */
export const ownAddress = { keySize: 16, valueSize: 4 } as const;
