import type { Logger } from '../core/log.ts';
import { PartStack } from '../core/part.ts';

/** Signals that ask the process to end. */
export type StopSignals = (listener: (name: string) => void) => void;

/**
 * Runs an ambassador until it is asked to stop: drains at the first signal, ends at once at the second.
 *
 * @throws what kept it from starting, after everything that had started is stopped again
 */
export async function runUntilStopped(
  start: (parts: PartStack) => Promise<void>,
  options: { readonly drainMs: number; readonly logger: Logger; readonly onSignal: StopSignals },
): Promise<void> {
  const { drainMs, logger, onSignal } = options;
  const parts = new PartStack();
  const asked = Promise.withResolvers<void>();
  const hurried = Promise.withResolvers<void>();
  let signals = 0;
  onSignal((name) => {
    signals++;
    logger.info(signals === 1 ? `${name}: stopping (once more ends at once)` : `${name}: ending now`);
    (signals === 1 ? asked : hurried).resolve();
  });
  try {
    await start(parts);
  } catch (thrown) {
    await parts.stop(0).catch(() => {});
    throw thrown;
  }
  await asked.promise;
  void hurried.promise.then(() => parts.stop(0)).catch(() => {});
  await parts.stop(drainMs);
}
