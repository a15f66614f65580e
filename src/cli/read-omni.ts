import type { Command } from './command.ts';
import { readRegistries, readServiceDiscovery } from './discovery-settings.ts';
import { defaultPort } from './read-forward.ts';
import {
  readInterception,
  readKernelMode,
  readLeadsLocalhost,
  readRules,
  readRun,
  readSettings,
} from './settings.ts';
import type { Values } from './values.ts';

/** `nuncio --omnimode`. */
export function readOmni(values: Values): Extract<Command, { kind: 'omni' }> {
  const port = values.port('port') ?? defaultPort;
  return {
    kind: 'omni',
    run: readRun(values),
    settings: {
      ...readSettings(values, port),
      rules: readRules(values, port),
      interception: readInterception(values),
      kernel: readKernelMode(values),
      leadsLocalhost: readLeadsLocalhost(values),
      services: readServiceDiscovery(values),
      registries: readRegistries(values),
    },
  };
}
