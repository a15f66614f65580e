import { existsSync } from 'node:fs';
import type { Command } from './command.ts';
import { connectableNotices } from './obsolete.ts';
import { readOmni } from './read-omni.ts';
import { defaultDockerSocket } from './settings.ts';
import type { Environment, Values } from './values.ts';

/**
 * Whether this is how connectable was run: its image without an argument, with the engine's socket. Outside of a container
 * nobody has asked for rules by saying nothing.
 *
 * @param exists as of node:fs
 */
export function isConnectable(
  argc: number,
  env: Environment,
  exists: (path: string) => boolean = existsSync,
): boolean {
  return argc === 0 && exists('/.dockerenv') && (Boolean(env.DOCKER_HOST) || exists(defaultDockerSocket));
}

/** Omni mode whose rules a helper container sets: connectable was not given NET_ADMIN. */
export function readConnectable(values: Values): Command {
  values.notices.push(...connectableNotices(values.env));
  const { settings, ...omni } = readOmni(values);
  return { ...omni, settings: { ...settings, rulesByHelper: true } };
}
