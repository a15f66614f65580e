import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { Backend } from '../backend/backend.ts';
import type { Logger } from '../core/log.ts';
import type { PartStack } from '../core/part.ts';
import type { EngineOptions } from '../docker/engine.ts';
import { connectEngine } from '../docker/engine.ts';
import type { ContainerFeed } from '../docker/feed.ts';
import { LiveFeed } from '../docker/live-feed.ts';
import { selfContainerId } from '../docker/self.ts';

/**
 * The container feed, and which container this is, where a backend is found there; nothing for any other.
 *
 * @throws AppError ERR_DOCKER
 */
export async function startFeedFor(
  backends: readonly Backend[],
  engine: EngineOptions,
  logger: Logger,
  parts: PartStack,
): Promise<{ feed?: ContainerFeed; selfId?: string | undefined }> {
  if (backends.every(({ source }) => source.kind !== 'docker')) return {};
  const feed = await parts.begin(new LiveFeed({ engine: connectEngine(engine), logger }));
  return { feed, selfId: await findSelf(feed) };
}

/** The container that this is, where it is one. */
export async function findSelf(feed: ContainerFeed): Promise<string | undefined> {
  const mountinfo = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '');
  return selfContainerId({ mountinfo, hostname: hostname(), ids: feed.containers.keys() });
}
