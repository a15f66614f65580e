import type { CallerEntry, RouteTable, RouteTarget } from '../route/table.ts';
import type { KernelSource } from './sources.ts';
import type { BackendStatus, CallerStatus, RouteStatus } from './status.ts';

/** As much of a container's id as its engine prints. */
const idLength = 12;

/** Every caller of the table, by name, with its routes by port. */
export function callerStatuses(
  { callers }: Pick<RouteTable, 'callers'>,
  backends: ReadonlyMap<string, BackendStatus>,
  kernel?: Pick<KernelSource, 'pathOf'>,
): readonly CallerStatus[] {
  return [...callers.values()]
    .map((caller) => callerStatus(caller, backends, kernel))
    .sort((a, b) => a.name.localeCompare(b.name));
}

function callerStatus(
  caller: CallerEntry,
  backends: ReadonlyMap<string, BackendStatus>,
  kernel: Pick<KernelSource, 'pathOf'> | undefined,
): CallerStatus {
  const routes = [...caller.routes].sort(([a], [b]) => a - b);
  return {
    id: caller.id.slice(0, idLength),
    name: caller.name,
    addresses: caller.addresses,
    routes: routes.map(([port, target]) => ({
      ...routeStatus(port, target, backends),
      ...(target.kind === 'refused' || kernel === undefined ? {} : pathOf(kernel, caller.id, port)),
    })),
  };
}

function routeStatus(
  port: number,
  target: RouteTarget,
  backends: ReadonlyMap<string, BackendStatus>,
): RouteStatus {
  if (target.kind === 'refused') return { port, state: 'refused', reason: target.reason };
  const backend = backends.get(target.backendKey);
  if (backend === undefined) return { port, state: 'down' };
  return { port, state: backend.state, backend: backend.backend };
}

function pathOf(
  kernel: Pick<KernelSource, 'pathOf'>,
  callerId: string,
  port: number,
): Pick<RouteStatus, 'path' | 'pathReason'> {
  const path = kernel.pathOf(callerId, port);
  return path.kind === 'kernel' ? { path: 'kernel' } : { path: 'proxy', pathReason: path.reason };
}
