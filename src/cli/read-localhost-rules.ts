import { isIPv4 } from 'node:net';
import { parsePort } from '../core/address.ts';
import type { Command } from './command.ts';
import type { LocalhostTask } from './localhost-rules.ts';
import type { Values } from './values.ts';

/** `nuncio localhost-rules …`: for the ambassador itself, so the usage text does not have it. */
export function readLocalhostRules(values: Values, words: readonly string[]): Command | undefined {
  const task = parseTask(words);
  if (task !== undefined) return { kind: 'localhost-rules', task };
  values.shapeProblems.push('localhost-rules: expected "set IPV4 PORT[,PORT]" or "clear [IPV4]"');
  return undefined;
}

function parseTask([verb, address, list, ...more]: readonly string[]): LocalhostTask | undefined {
  if (more.length > 0 || (address !== undefined && !isIPv4(address))) return undefined;
  if (verb === 'clear' && list === undefined) {
    return { kind: 'clear', ...(address === undefined ? {} : { address }) };
  }
  const ports = (list ?? '').split(',').map(parsePort);
  if (verb !== 'set' || address === undefined || ports.includes(undefined)) return undefined;
  const known = new Set(ports.filter((port) => port !== undefined));
  return { kind: 'set', lead: { address, ports: [...known].sort((a, b) => a - b) } };
}
