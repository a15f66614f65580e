/**
 * Balancing: a policy makes a picker from a set of endpoints; the picker chooses one for each connection.
 * A picker is frozen: when the set changes, a new one takes its place.
 *
 *     const picker = makePicker('roundrobin', endpoints);
 *     const endpoint = picker.pick({ tried: new Set(), active: () => 0 });
 */
import type { Endpoint } from '../core/endpoint.ts';

export interface PickContext {
  /** Endpoints of the set that this connection has already failed to reach. */
  readonly tried: ReadonlySet<Endpoint>;
  /** How many connections an endpoint carries now. */
  active(endpoint: Endpoint): number;
}

export interface Picker {
  /** The endpoint for a connection, or undefined where every one has been tried. Synchronous; never throws. */
  pick(context: PickContext): Endpoint | undefined;
}

/** A policy: what it makes of the endpoints of one priority. */
export type PickerPolicy = (endpoints: readonly Endpoint[]) => Picker;
