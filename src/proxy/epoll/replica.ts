import { sameSet } from '../../core/endpoint.ts';
import type { RouteChange, RouteTable } from '../../route/table.ts';

/**
 * Applies a change that has come through a message. A copy's arrays are never the ones that the table has; where they say
 * the same, those stay, because a picker goes on where it was as long as the set is the same array.
 */
export function applyCopied(table: RouteTable, change: RouteChange): void {
  if (change.kind !== 'backend') {
    table.apply(change);
    return;
  }
  const known = table.backend(change.backend.key);
  const { endpoints, ejected } = change.backend;
  const backend = {
    ...change.backend,
    ...(known !== undefined && sameSet(known.endpoints, endpoints) ? { endpoints: known.endpoints } : {}),
    ...(known !== undefined && known.ejected.join() === ejected.join() ? { ejected: known.ejected } : {}),
  };
  table.apply({ kind: 'backend', backend });
}
