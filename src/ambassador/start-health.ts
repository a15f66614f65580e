import { HealthSocket, healthSocketPath } from '../admin/health-socket.ts';
import type { StatusBoard } from '../admin/status-board.ts';
import type { PartStack } from '../core/part.ts';
import type { ProxySettings } from './settings.ts';

/** What `--health` is answered. @param detail one line */
export async function startHealth(
  settings: ProxySettings,
  board: StatusBoard,
  parts: PartStack,
  detail: () => string,
): Promise<void> {
  const { logger } = board;
  const report = () => ({ isServing: true, detail: detail() });
  board.showServing(() => report().isServing);
  await parts.begin(new HealthSocket({ path: healthSocketPath(settings.port), report, logger }));
}
