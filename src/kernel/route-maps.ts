import { closeSync } from 'node:fs';
import { type Bpf, mapType, noPreallocation } from '../bpf/bpf.ts';
import { storageTypeIds, storageTypes } from '../bpf/type-info.ts';
import { AppError } from '../core/errors.ts';
import { memory, ownAddress, routeKey, routeValue, slot } from './layout.ts';
import type { MapDescriptors } from './programs.ts';
import {
  encodeAddress,
  encodeRouteKey,
  encodeSlot,
  type RouteContents,
  type RouteId,
  readConnects,
} from './slot.ts';
import { SlotPool } from './slot-pool.ts';

/** Routes that the kernel serves at one time, some 6 MB of its memory; the proxy serves what comes above. */
export const maxRoutes = 4096;
/** Slots: one a route, and some that rest. */
const slotCount = maxRoutes + 512;
const maxOwnAddresses = 1024;

/**
 * The maps that the programs read, and what stands in them. A route changes in one step: its new version is written into a
 * slot that nobody reads, then the route is led there.
 */
export class RouteMaps {
  readonly descriptors: MapDescriptors;
  readonly #bpf: Bpf;
  readonly #pool = new SlotPool(slotCount);
  readonly #ownAddresses = new Map<string, Buffer>();
  readonly #slotKey = Buffer.alloc(4);
  #isClosed = false;

  /** @throws AppError ERR_SYSCALL; nothing is left open then */
  constructor(bpf: Bpf) {
    this.#bpf = bpf;
    const made: number[] = [];
    const make = (fd: number): number => {
      made.push(fd);
      return fd;
    };
    try {
      const types = make(bpf.loadTypes(storageTypes(memory.size)));
      this.descriptors = {
        routes: make(
          bpf.createMap({
            name: 'nuncio_routes',
            type: mapType.hash,
            keySize: routeKey.size,
            valueSize: routeValue.size,
            maxEntries: maxRoutes,
            flags: noPreallocation,
          }),
        ),
        slots: make(
          bpf.createMap({
            name: 'nuncio_slots',
            type: mapType.array,
            keySize: 4,
            valueSize: slot.size,
            maxEntries: slotCount,
          }),
        ),
        ownAddresses: make(
          bpf.createMap({
            name: 'nuncio_own',
            type: mapType.hash,
            keySize: ownAddress.keySize,
            valueSize: ownAddress.valueSize,
            maxEntries: maxOwnAddresses,
            flags: noPreallocation,
          }),
        ),
        memory: make(
          bpf.createMap({
            name: 'nuncio_dialled',
            type: mapType.socketStorage,
            keySize: 4,
            valueSize: memory.size,
            maxEntries: 0,
            flags: noPreallocation,
            types: { fd: types, ...storageTypeIds },
          }),
        ),
      };
      // The map keeps its types.
      closeSync(types);
    } catch (thrown) {
      for (const fd of made) closeSync(fd);
      throw thrown;
    }
  }

  /**
   * Writes a route, or its next version.
   *
   * @returns the slot; undefined where there is no room
   * @throws AppError ERR_SYSCALL
   */
  install(id: RouteId, contents: RouteContents): number | undefined {
    const index = this.#pool.take();
    if (index === undefined) return undefined;
    this.#bpf.update(this.descriptors.slots, this.#slot(index), encodeSlot(id, contents));
    const value = Buffer.alloc(routeValue.size);
    value.writeUInt32LE(index, routeValue.slot);
    try {
      this.#bpf.update(this.descriptors.routes, encodeRouteKey(id), value);
    } catch (thrown) {
      this.#pool.release(index);
      if (thrown instanceof AppError && thrown.errno === 'E2BIG') return undefined;
      throw thrown;
    }
    return index;
  }

  /** Takes a route away; it may not be there. @throws AppError ERR_SYSCALL */
  remove(id: RouteId): void {
    this.#bpf.remove(this.descriptors.routes, encodeRouteKey(id));
  }

  /** A slot that no route leads to any more. */
  release(index: number): void {
    this.#pool.release(index);
  }

  /** How many connections each endpoint of a slot has been given. @param count of endpoints in it */
  connects(index: number, count: number): readonly number[] {
    const bytes = Buffer.alloc(slot.size);
    this.#bpf.lookup(this.descriptors.slots, this.#slot(index), bytes);
    return readConnects(bytes, count);
  }

  /** The addresses at which callers find the ambassador; canonical. @throws AppError ERR_SYSCALL */
  setOwnAddresses(addresses: readonly string[]): void {
    const wanted = new Set(addresses.slice(0, maxOwnAddresses));
    for (const [ip, key] of this.#ownAddresses) {
      if (wanted.has(ip)) continue;
      this.#bpf.remove(this.descriptors.ownAddresses, key);
      this.#ownAddresses.delete(ip);
    }
    for (const ip of wanted) {
      if (this.#ownAddresses.has(ip)) continue;
      const key = encodeAddress(ip);
      this.#bpf.update(this.descriptors.ownAddresses, key, Buffer.alloc(ownAddress.valueSize));
      this.#ownAddresses.set(ip, key);
    }
  }

  /** May be called twice. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const fd of Object.values(this.descriptors)) closeSync(fd);
  }

  #slot(index: number): Buffer {
    this.#slotKey.writeUInt32LE(index, 0);
    return this.#slotKey;
  }
}
