import type { AdminSettings } from '../admin/settings.ts';
import type { Command, RunSettings } from './command.ts';
import { readFlagFile } from './discovery-settings.ts';
import type { Values } from './values.ts';

/**
 * The status page: where it listens, and its password.
 *
 * @param defaultPort where no port is named; absent: no page then
 */
export function readAdmin(values: Values, defaultPort?: number): Pick<RunSettings, 'admin'> {
  const port = values.port('admin-port') ?? defaultPort;
  const isAsked = values.isGiven('admin-password-file');
  if (port === undefined) {
    if (isAsked) values.problems.push('--admin-password-file: belongs to --admin-port, which is not given');
    return {};
  }
  const password = isAsked ? filePassword(values) : values.env.STATS_PASSWORD || undefined;
  const admin: AdminSettings = { port, ...(password === undefined ? {} : { password }) };
  return { admin };
}

/** An empty file would be a password that everybody knows. */
function filePassword(values: Values): string | undefined {
  const text = readFlagFile(values, 'admin-password-file');
  const [password = ''] = (text ?? '').split(/\r?\n/, 1);
  if (text !== undefined && password === '') {
    values.problems.push('--admin-password-file: the first line of the file is empty');
  }
  return password;
}

/** What is wrong where the status page is to listen on a port that the command forwards. */
export function adminPortProblem(command: Command): string | undefined {
  if (!('run' in command) || command.run.admin === undefined) return undefined;
  const { port } = command.run.admin;
  const { kind, settings } = command;
  const taken =
    kind === 'forward'
      ? [...settings.backends.keys()]
      : 'httpPort' in settings
        ? [settings.httpPort]
        : 'port' in settings
          ? [settings.port]
          : [];
  return taken.includes(port) ? `--admin-port ${port}: the proxy listens there; choose another` : undefined;
}
