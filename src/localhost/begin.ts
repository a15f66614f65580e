import { readFile } from 'node:fs/promises';
import { isIPv4 } from 'node:net';
import { hostname } from 'node:os';
import { messageOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { PartStack } from '../core/part.ts';
import type { HelperEngine } from '../docker/engine.ts';
import type { ContainerFeed } from '../docker/feed.ts';
import { removeHelpers } from '../docker/helper-container.ts';
import { commandRunner } from '../nat/command.ts';
import { type RuleSettings, ruleSetOf } from '../nat/settings.ts';
import { enterByHelper } from './enter-by-helper.ts';
import { enterByNsenter } from './enter-by-nsenter.ts';
import type { NamespaceEntry } from './entry.ts';
import { LocalhostKeeper } from './keeper.ts';

/** What the ways into containers are made of. */
export interface EntryOptions {
  readonly engine: HelperEngine;
  readonly feed: ContainerFeed;
  readonly selfId: string | undefined;
}

export interface BeginLocalhostOptions extends EntryOptions {
  /** Of the ambassador itself: they say which address callers reach it by. */
  readonly rules: RuleSettings;
  readonly logger: Logger;
  readonly parts: PartStack;
}

/** How long the look for what an earlier run was killed over may take, ms. */
const leftoversMs = 5000;

/** The command that this process was started by: an image of somebody else's making may have another entry. */
const program = () => [process.execPath, ...process.execArgv, process.argv[1] ?? ''];

const ownerOf = (selfId: string | undefined) => selfId ?? hostname();

/** Keeps `localhost` of labelled containers leading here, from now until the parts are stopped. */
export async function beginLocalhost(options: BeginLocalhostOptions): Promise<void> {
  const { engine, feed, selfId, logger, parts } = options;
  const rules = await ruleSetOf(options.rules);
  const hostAddress = rules.kind === 'dnat' ? rules.proxyIps.find((ip) => isIPv4(ip)) : undefined;

  const isAlive = (other: string) => feed.containers.has(other);
  const bound = AbortSignal.timeout(leftoversMs);
  await removeHelpers(engine, ownerOf(selfId), isAlive, bound).catch((thrown: unknown) => {
    logger.debug(`helper containers of an earlier run are not looked for: ${messageOf(thrown)}`);
  });
  const byNsenter = enterByNsenter(program(), commandRunner(), await readFile('/proc/self/status', 'utf8'));
  const byHelper = helperEntry(options);
  const entries = byNsenter === undefined ? [byHelper] : [byNsenter, byHelper];
  await parts.begin(new LocalhostKeeper({ feed, place: { selfId, hostAddress }, entries, logger }));
}

/** The way into containers by a helper container. */
export function helperEntry({ engine, feed, selfId }: EntryOptions): NamespaceEntry {
  const owner = ownerOf(selfId);
  return enterByHelper({ engine, containers: feed.containers, selfId, owner, program: program() });
}
