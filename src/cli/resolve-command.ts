import { startFeedFor } from '../ambassador/start-feed.ts';
import { sourceKey } from '../backend/backend.ts';
import { endpointKey } from '../core/endpoint.ts';
import type { Logger } from '../core/log.ts';
import { PartStack } from '../core/part.ts';
import { startDiscovery } from '../discovery/start.ts';
import { connectOnce } from '../health/connect-once.ts';
import type { ResolveSettings } from './command.ts';
import { resolve } from './resolve.ts';

/**
 * Runs `nuncio resolve` with the resolvers of this build.
 *
 * @throws AppError as `resolve`; ERR_DOCKER for `docker://` without an engine; ERR_CANNOT_START for a bad state directory
 */
export async function runResolve(
  settings: ResolveSettings,
  logger: Logger,
  print: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const { backend, isWatching } = settings;
  const parts = new PartStack();
  try {
    const { feed, selfId } = await startFeedFor([backend], settings.engine, logger, parts);
    const options = { logger, parts, feed, selfId, isReadOnly: true };
    const { sources, store } = await startDiscovery(settings.discovery, options);
    const since = store?.get(sourceKey(backend.source))?.since ?? {};
    await resolve({
      backend,
      isWatching,
      sources,
      connect: connectOnce,
      knownSince: (endpoint) => since[endpointKey(endpoint)],
      print,
      signal,
    });
  } finally {
    await parts.stop(0);
  }
}
