import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { healthSocketPath, readHealth } from '../admin/health-socket.ts';
import { AppError } from '../core/errors.ts';

/**
 * `nuncio --health`: asks the ambassador on a port, or each one that has a socket here.
 *
 * @returns the line to print
 * @throws AppError ERR_CANNOT_START where one does not serve, or none is there
 */
export async function health(port: number | undefined): Promise<string> {
  const paths = port === undefined ? await allSockets() : [healthSocketPath(port)];
  if (paths.length === 0) throw new AppError('ERR_CANNOT_START', 'no nuncio is running here');
  const details: string[] = [];
  for (const path of paths) {
    const report = await readHealth(path);
    if (!report.ok) throw report.error;
    if (!report.value.isServing) throw new AppError('ERR_CANNOT_START', report.value.detail);
    details.push(report.value.detail);
  }
  return details.join('\n');
}

async function allSockets(): Promise<string[]> {
  const directory = dirname(healthSocketPath(0));
  const names = await readdir(directory).catch(() => []);
  return names.filter((name) => name.endsWith('.sock')).map((name) => join(directory, name));
}
