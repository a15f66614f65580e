import type { Logger } from '../core/log.ts';
import type { KernelPath } from '../kernel/kernel-path.ts';
import { describePath } from '../kernel/route-path.ts';
import type { RouteTable } from '../route/table.ts';

const describedCallers = 20;

/** What start-up found: the containers that name backends, a line each, and which path serves each port. */
export function describeCallers(table: RouteTable, kernel: KernelPath | undefined, logger: Logger): void {
  const callers = [...table.callers.values()].filter((caller) => caller.routes.size > 0);
  const servedBy = (id: string, port: number) =>
    kernel === undefined ? '' : ` by ${describePath(kernel.pathOf(id, port))}`;
  for (const { id, name, addresses, routes } of callers.slice(0, describedCallers)) {
    const ports = [...routes].map(([port, target]) => {
      return target.kind === 'refused'
        ? `${port} refused`
        : `${port} -> ${table.backend(target.backendKey)?.text}${servedBy(id, port)}`;
    });
    logger.info(`caller ${name} (${addresses.join(', ')}): ${ports.join('; ')}`, { caller: name });
  }
  if (callers.length > describedCallers) logger.info(`and ${callers.length - describedCallers} callers more`);
  if (callers.length === 0) {
    logger.info('no container names a backend yet: set BACKEND_<port> on the ones that shall call');
  }
}
