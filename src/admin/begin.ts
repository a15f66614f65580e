import type { PartStack } from '../core/part.ts';
import type { AdminSettings } from './settings.ts';
import type { StatusBoard } from './status-board.ts';

/**
 * The status page, where a port is named for it: from before the ambassador starts until after it has stopped, so that
 * whoever asks is told of both.
 *
 * @throws AppError ERR_CANNOT_START where the port cannot be listened on
 */
export async function beginAdmin(
  settings: AdminSettings | undefined,
  board: StatusBoard,
  parts: PartStack,
): Promise<void> {
  if (settings === undefined) return;
  // Memory that an ambassador without a status page does not spend.
  const { AdminServer } = await import('./admin-server.ts');
  await parts.begin(board);
  await parts.begin(new AdminServer({ settings, board, logger: board.logger }));
}
