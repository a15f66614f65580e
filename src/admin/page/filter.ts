import type {
  ApplicationView,
  BackendStatus,
  CallerStatus,
  EndpointStatus,
  GatewayView,
  Problem,
  ServiceView,
  Status,
} from '../status.ts';

type SkippedKey = GatewayView['skipped']['keys'][number];

/** What the page shows at most of each kind; the filter finds the rest. */
const maxShown = 200;

/** Some of a list, and how many more there are. */
export interface Shown<T> {
  readonly items: readonly T[];
  readonly found: number;
  readonly total: number;
}

export interface FilteredStatus {
  readonly applications: Shown<ApplicationView>;
  readonly services: Shown<ServiceView>;
  readonly skipped: Shown<SkippedKey>;
  readonly backends: Shown<BackendStatus>;
  readonly callers: Shown<CallerStatus>;
  readonly problems: Shown<Problem>;
}

/** Worst first, so that what needs a look is at the top. */
const order = ['down', 'degraded', 'waiting', 'refused', 'up'];

/**
 * What of a status fits a filter: every word of it occurs somewhere in the entry, in any letter case. Backends and callers
 * in trouble come first, then by name.
 */
export function filterStatus(status: Status, filter: string): FilteredStatus {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const some = <T>(all: readonly T[], textOf: (item: T) => readonly (string | number | undefined)[]) => {
    const fitting = all.filter((item) => {
      const text = textOf(item).join('\n').toLowerCase();
      return words.every((word) => text.includes(word));
    });
    return { items: fitting.slice(0, maxShown), found: fitting.length, total: all.length };
  };
  const backends = status.backends.toSorted(
    (a, b) => rank(a.state) - rank(b.state) || a.backend.localeCompare(b.backend),
  );
  const worst = new Map(
    status.callers.map((caller) => [caller, Math.min(99, ...caller.routes.map(({ state }) => rank(state)))]),
  );
  const callers = status.callers.toSorted(
    (a, b) => (worst.get(a) ?? 0) - (worst.get(b) ?? 0) || a.name.localeCompare(b.name),
  );
  const { applications = [], services = [], skipped } = status.gateway ?? {};
  return {
    applications: some(
      applications.toSorted((a, b) => rank(a.state) - rank(b.state) || a.domain.localeCompare(b.domain)),
      (application) => [application.domain, application.state, ...endpointText(application.endpoints)],
    ),
    services: some(services, ({ name, port, state, health, problem, endpoints }) => [
      name,
      port,
      state,
      health,
      problem,
      ...endpointText(endpoints),
    ]),
    skipped: skippedKeys(
      skipped?.count ?? 0,
      some(skipped?.keys ?? [], ({ key, reason }) => [key, reason]),
    ),
    backends: some(backends, backendText),
    callers: some(callers, callerText),
    problems: some(status.problems, ({ message, code, level }) => [message, code, level]),
  };
}

/** The gateway names the first of them only, and their number. */
function skippedKeys(count: number, shown: Shown<SkippedKey>): Shown<SkippedKey> {
  return { ...shown, found: shown.found === shown.total ? count : shown.found, total: count };
}

function rank(state: string): number {
  return order.indexOf(state);
}

function backendText({ backend, state, problem, endpoints }: BackendStatus) {
  return [backend, state, problem, ...endpointText(endpoints)];
}

function endpointText(endpoints: readonly EndpointStatus[]) {
  return endpoints.flatMap(({ address, name, state, failure }) => [address, name, state, failure]);
}

function callerText({ name, id, addresses, routes }: CallerStatus) {
  return [name, id, ...addresses, ...routes.flatMap((r) => [r.port, r.state, r.backend, r.reason])];
}
