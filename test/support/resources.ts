import { settle, until } from './updates.ts';

/** How many handles and requests of each kind keep the process alive. */
function openNow(): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

/**
 * Remembers what is open, and later waits until nothing more is.
 *
 *     const backToStart = await resourcesNow();
 *     … start and stop something …
 *     await backToStart();
 */
export async function resourcesNow(): Promise<() => Promise<void>> {
  // What the test before has closed is still on its way out.
  await settle();
  const before = openNow();
  const more = () => [...openNow()].filter(([kind, count]) => count > (before.get(kind) ?? 0));
  return async () => {
    await until(
      () => more().length === 0,
      () => `nothing is left open (more than before: ${more().map(([kind, count]) => `${count} ${kind}`)})`,
    );
  };
}
