import { basename } from 'node:path';
import { dockerRegister } from './read-docker-register.ts';
import { dynamic } from './read-dynamic.ts';
import { dynamicEtcdAmb } from './read-dynamic-etcd-amb.ts';
import { gateway } from './read-gateway.ts';
import { register } from './read-register.ts';
import { simpleAmb } from './read-simple-amb.ts';
import type { Subcommand } from './subcommand.ts';

export const subcommands: ReadonlyMap<string | undefined, Subcommand> = new Map(
  [simpleAmb, dockerRegister, dynamicEtcdAmb, register, dynamic, gateway].map((command) => [
    command.name,
    command,
  ]),
);

/**
 * The words that a program's name stands for, so that a link, or an image's entry point, may be a command of its own.
 *
 * @param path as the program was called
 */
export function wordsOfName(path: string): readonly string[] {
  const name = basename(path);
  return subcommands.has(name) ? [name] : [];
}
