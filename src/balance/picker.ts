/**
 * Balancing: a policy makes a picker from a set of endpoints; the picker chooses one for each connection.
 * A picker is frozen: when the set changes, a new one takes its place.
 *
 *     const picker = pickers.roundrobin(endpoints);
 *     const first = picker.pick(new Set());
 */
import type { Endpoint } from '../core/endpoint.ts';

export interface Picker {
  /**
   * The endpoint for a connection, or undefined where every one has been tried.
   * Synchronous; never throws.
   *
   * @param tried endpoints of this picker's set that this connection has already failed to reach
   */
  pick(tried: ReadonlySet<Endpoint>): Endpoint | undefined;
}

export type MakePicker = (endpoints: readonly Endpoint[]) => Picker;
