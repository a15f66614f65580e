import type { EventFilters } from './engine.ts';

/** What an event means for the feed: look at the container again, or know that it has ended. */
export interface ContainerEvent {
  readonly kind: 'started' | 'changed' | 'ended';
  readonly id: string;
}

/** The action of a change of health goes on after this: `health_status: unhealthy`. */
const healthAction = 'health_status';

/**
 * The engine sends only these, and what begins like them: with `health_status` among them it compares beginnings only
 * (moby, daemon/events/filter.go, matchEvent). The actions are asked for by `readEvent` below.
 */
export const eventFilters: EventFilters = {
  type: ['container', 'network'],
  event: ['start', 'unpause', 'pause', 'die', 'destroy', 'rename', 'connect', 'disconnect', healthAction],
};

const containerActions: ReadonlyMap<unknown, ContainerEvent['kind']> = new Map([
  ['start', 'started'],
  ['unpause', 'changed'],
  ['pause', 'changed'],
  ['rename', 'changed'],
  ['die', 'ended'],
  ['destroy', 'ended'],
]);

/**
 * Reads one event.
 *
 * @returns undefined where it is nothing to the feed
 * Source: Docker Engine API 1.41, SystemEvents; of a network's connect and disconnect, Actor.ID is the network and the
 *         attribute `container` the container
 */
export function readEvent(json: unknown): ContainerEvent | undefined {
  if (typeof json !== 'object' || json === null) return undefined;
  const { Type, Action, Actor } = json as { Type?: unknown; Action?: unknown; Actor?: unknown };
  if (typeof Actor !== 'object' || Actor === null) return undefined;
  const { ID, Attributes } = Actor as { ID?: unknown; Attributes?: unknown };
  if (Type === 'container') {
    const isHealth = typeof Action === 'string' && Action.startsWith(healthAction);
    const kind = isHealth ? 'changed' : containerActions.get(Action);
    return kind === undefined || typeof ID !== 'string' ? undefined : { kind, id: ID };
  }
  if (Type !== 'network' || (Action !== 'connect' && Action !== 'disconnect')) return undefined;
  const id = (Attributes as { container?: unknown } | null | undefined)?.container;
  return typeof id === 'string' ? { kind: 'changed', id } : undefined;
}
