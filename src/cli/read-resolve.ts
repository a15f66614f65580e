import { withDialledPort } from '../backend/backend.ts';
import type { Command } from './command.ts';
import { readDiscovery } from './discovery-settings.ts';
import { everyFile, readBackend } from './read-forward.ts';
import { readEngine, readLogLevel } from './settings.ts';
import type { Values } from './values.ts';

/** `nuncio resolve BACKEND`. */
export function readResolve(values: Values, descriptors: readonly string[]): Command | undefined {
  const [descriptor, ...more] = descriptors;
  if (descriptor === undefined || more.length > 0) {
    values.problems.push('resolve: give one descriptor, such as: nuncio resolve redis.service.consul');
    return undefined;
  }
  const parsed = readBackend(values, descriptor);
  const port = values.port('port');
  if (parsed === undefined) return undefined;
  const backend = port === undefined ? parsed : withDialledPort(parsed, port);
  if (backend.source.kind === 'docker' && backend.source.port === undefined) {
    values.problems.push(
      `resolve: which port? ${descriptor}:80, or --port for the one that the caller dials`,
    );
  }
  const discovery = { ...readDiscovery(values), ...everyFile };
  const settings = { backend, isWatching: values.has('watch'), engine: readEngine(values), discovery };
  return { kind: 'resolve', settings, logLevel: readLogLevel(values) };
}
