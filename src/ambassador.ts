/**
 * The ambassador: builds the parts, joins them, and starts them from the bottom up.
 *
 *     docker feed -> callers -> route writer -> route table -> proxy <- nat rules
 *                               sources (DNS, etcd, Consul, …)
 *
 * Everything that it starts goes onto the stack that it is given; stopping that stack stops the ambassador.
 */
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { HealthSocket, healthSocketPath } from './admin/health-socket.ts';
import type { StatusBoard } from './admin/status-board.ts';
import type { Backend } from './backend/backend.ts';
import { type Discovery as ServiceDiscovery, serviceBackend } from './backend/discovery-service.ts';
import { Callers } from './caller/callers.ts';
import { FeedLookup } from './caller/lookup.ts';
import { formatHostPort } from './core/address.ts';
import type { Logger } from './core/log.ts';
import type { PartStack } from './core/part.ts';
import { ok } from './core/result.ts';
import { type DiscoverySettings, startDiscovery } from './discovery/start.ts';
import { connectEngine, type EngineOptions } from './docker/engine.ts';
import type { ContainerFeed } from './docker/feed.ts';
import { LiveFeed } from './docker/live-feed.ts';
import { selfContainerId } from './docker/self.ts';
import { connectOnce } from './health/connect-once.ts';
import { EndpointHealth } from './health/endpoint-health.ts';
import { beginKernelPath } from './kernel/begin.ts';
import type { KernelPath } from './kernel/kernel-path.ts';
import type { KernelMode } from './kernel/mode.ts';
import { describePath } from './kernel/route-path.ts';
import { beginLocalhost, helperEntry } from './localhost/begin.ts';
import { setOwnRules } from './localhost/own-rules.ts';
import { beginRules } from './nat/begin.ts';
import { readReach } from './nat/reach.ts';
import type { RuleSettings } from './nat/settings.ts';
import { connectionLimit } from './proxy/connection-limit.ts';
import type { DataPlane, DataPlaneOptions } from './proxy/data-plane.ts';
import { type DataPlaneChoice, makeDataPlane } from './proxy/start.ts';
import { RouteTable } from './route/table.ts';
import { RouteWriter } from './route/writer.ts';
import { openFilesLimit } from './sys/limits.ts';
import { OwnAddresses } from './sys/own-addresses.ts';

/** What every ambassador is told. */
export interface ProxySettings extends DataPlaneChoice {
  readonly port: number;
  readonly connectTimeoutMs: number;
  /** Absent: as many as the limit of open files allows; never more than that. */
  readonly maxConnections?: number;
  /** Whether descriptors may lead to loopback and link-local addresses: those are the ambassador's own. */
  readonly allowLocalTargets: boolean;
  readonly engine: EngineOptions;
  readonly discovery: DiscoverySettings;
}

export interface OmniSettings extends ProxySettings {
  readonly rules: RuleSettings;
  /** False leaves the rules to `--setup-iptables`. */
  readonly manageRules: boolean;
  /** True has a helper container set the rules, where this process may not: as connectable did. */
  readonly rulesByHelper?: boolean;
  /** Whether `localhost:<port>` of containers with `connect.<port>` labels is led here. */
  readonly leadsLocalhost: boolean;
  /** Where embassy's `service;port` is found; absent: such a port is refused. */
  readonly services?: ServiceDiscovery | undefined;
  /** The only registry servers that containers' descriptors may name, as `host:port`; absent: any. */
  readonly registries?: ReadonlySet<string> | undefined;
  /** How the names of the callers' variables begin; absent: `BACKEND_`. */
  readonly variablePrefix?: string;
  /** Absent: auto. */
  readonly kernel?: KernelMode | undefined;
}

export interface ForwardSettings extends ProxySettings {
  /** By the port that is listened on; `port` is the first of them. */
  readonly backends: ReadonlyMap<number, Backend>;
}

export interface ServicesSettings extends ProxySettings {
  /** By the port that is dialled, whatever the address. */
  readonly backends: ReadonlyMap<number, Backend>;
  readonly rules: RuleSettings;
  /** False leaves the rules to the operator. */
  readonly manageRules: boolean;
}

/**
 * The mode of many callers: each container's connections go where its own environment and labels say.
 *
 * @throws AppError ERR_DOCKER, ERR_RULES, ERR_CANNOT_START; what has started by then is on the stack
 */
export async function startOmni(settings: OmniSettings, board: StatusBoard, parts: PartStack): Promise<void> {
  const { logger } = board;
  const engine = connectEngine(settings.engine);
  const feed = await parts.begin(new LiveFeed({ engine, logger }));
  const version = await engine.engineVersion();
  logger.info(`docker ${version} at ${engine.host}: ${feed.containers.size} container(s) run`);

  const selfId = await findSelf(feed);
  const { table, writer, health } = await startRoutes(settings, board, parts, feed, selfId);
  const { allowLocalTargets, registries, services, variablePrefix } = settings;
  const discovery =
    services === undefined
      ? undefined
      : (service: string, tags: readonly string[]) => ok(serviceBackend(services, service, tags));
  const callers = await parts.begin(
    new Callers({ feed, logger, allowLocalTargets, registries, discovery, variablePrefix }),
  );
  callers.subscribe((change) => writer.applyCaller(change));
  const lookup = new FeedLookup({ callers, feed, logger });
  parts.defer(() => lookup.stop());

  const own = await parts.begin(new OwnAddresses(logger));
  const proxy = await startProxy(settings, board, parts, {
    routes: table,
    health,
    awaitCaller: (ip) => lookup.resolve(ip),
    own,
    destination: 'redirected',
  });
  const self = feed.containers.get(selfId ?? '');
  const kernel = await beginKernelPath({
    mode: settings.kernel ?? 'auto',
    routes: table,
    checks: health,
    surroundings: () => readReach(settings.rules),
    selfPid: self?.pid || undefined,
    logger,
    parts,
  });
  if (kernel !== undefined) board.showKernel(kernel);
  describeCallers(table, kernel, logger);
  const { rulesByHelper = false } = settings;
  if (rulesByHelper) await setOwnRules(self, settings.port, helperEntry({ engine, feed, selfId }), logger);
  // Who said nothing has not asked for rules on the host.
  const manageRules = settings.manageRules && !(rulesByHelper && self?.networkMode === 'host');
  await beginRules(settings.rules, { manageRules, selfName: self?.name, logger, parts });
  if (settings.leadsLocalhost) {
    await beginLocalhost({ engine, feed, selfId, rules: settings.rules, logger, parts });
  }
  // Drains before the rules go: the kernel ends the rewriting of packets, also of open connections, with a
  // namespace's last nat chain (nf_nat_unregister_fn). Nobody gets in meanwhile, because the port is closed.
  parts.defer((deadlineMs) => proxy.stop(deadlineMs));
  await startHealth(
    settings,
    board,
    parts,
    () => `${describe(proxy)}, ${table.callers.size} caller(s) known`,
  );
}

/**
 * The mode of one backend a port: every connection to a port goes to its backend.
 *
 * @throws AppError ERR_NOT_IN_BUILD, ERR_DOCKER, ERR_CANNOT_START; what has started by then is on the stack
 */
export async function startForward(
  settings: ForwardSettings,
  board: StatusBoard,
  parts: PartStack,
): Promise<void> {
  const { backends } = settings;
  const { table, health } = await startForwardRoutes(settings, backends, board, parts);
  const proxies: DataPlane[] = [];
  for (const port of backends.keys()) {
    const options = { routes: table, health, awaitCaller: noCaller, destination: 'own' as const };
    proxies.push(await startProxy({ ...settings, port }, board, parts, options));
  }
  await startHealth(settings, board, parts, () => proxies.map(describe).join('; '));
}

/**
 * The mode of embassy's static provider: one port for everyone, and the port that was dialled says which backend.
 *
 * @throws AppError as `startForward`, and ERR_RULES
 */
export async function startServices(
  settings: ServicesSettings,
  board: StatusBoard,
  parts: PartStack,
): Promise<void> {
  const { logger } = board;
  const { table, health } = await startForwardRoutes(settings, settings.backends, board, parts);
  const own = await parts.begin(new OwnAddresses(logger));
  // Where the rules are the operator's, a connection from here is no probe but a program in this very container.
  const proxy = await startProxy(settings, board, parts, {
    routes: table,
    health,
    awaitCaller: noCaller,
    own: settings.manageRules ? own : undefined,
    destination: 'redirected',
  });
  if (settings.manageRules) {
    await beginRules(settings.rules, { manageRules: true, selfName: undefined, logger, parts });
  } else logger.info('no rules are set: --redirect or --dnat sets them, or your own lead to this port');
  parts.defer((deadlineMs) => proxy.stop(deadlineMs));
  await startHealth(settings, board, parts, () => describe(proxy));
}

const noCaller = async () => false;

/** What every forward that knows no callers has. */
async function startForwardRoutes(
  settings: ProxySettings,
  backends: ReadonlyMap<number, Backend>,
  board: StatusBoard,
  parts: PartStack,
): Promise<{ table: RouteTable; health: EndpointHealth }> {
  const { logger } = board;
  const { feed, selfId } = await startFeedFor([...backends.values()], settings.engine, logger, parts);
  const { table, writer, health } = await startRoutes(settings, board, parts, feed, selfId);
  writer.forwardAll(backends);
  return { table, health };
}

/** Discovery, health, the table, and the one that writes it. */
async function startRoutes(
  settings: ProxySettings,
  board: StatusBoard,
  parts: PartStack,
  feed: ContainerFeed | undefined,
  selfId: string | undefined,
): Promise<{ table: RouteTable; writer: RouteWriter; health: EndpointHealth }> {
  const { logger } = board;
  const { sources } = await startDiscovery(settings.discovery, { logger, parts, feed, selfId });
  const health = new EndpointHealth({ connect: connectOnce, logger });
  parts.defer(() => health.stop());
  const table = new RouteTable();
  const { allowLocalTargets } = settings;
  const writer = new RouteWriter({ table, sources, health, logger, allowLocalTargets });
  parts.defer(() => writer.stop());
  board.showRoutes(table, health);
  return { table, writer, health };
}

async function startProxy(
  settings: ProxySettings,
  board: StatusBoard,
  parts: PartStack,
  options: Pick<DataPlaneOptions, 'routes' | 'health' | 'awaitCaller' | 'own' | 'destination'>,
): Promise<DataPlane> {
  const { logger } = board;
  const { port, connectTimeoutMs } = settings;
  const openFiles = openFilesLimit(await readFile('/proc/self/limits', 'utf8').catch(() => '')) ?? 1024;
  const { maxConnections, problem } = connectionLimit(openFiles, settings.maxConnections);
  if (problem !== undefined) logger.warn(problem, { code: 'ERR_LIMIT' });
  const limits = { connectTimeoutMs };
  const proxy = await makeDataPlane(
    { host: '::', port, maxConnections, openFiles, logger, limits, ...options },
    settings,
  );
  await parts.begin(proxy);
  board.showTraffic(proxy, maxConnections);
  logger.info(`${describe(proxy)}, ${proxy.kind}, at most ${maxConnections} connections`);
  return proxy;
}

async function startHealth(
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

function describe(proxy: DataPlane): string {
  const { address, counters } = proxy;
  const at =
    address === undefined ? 'not listening' : `listening on ${formatHostPort(address.ip, address.port)}`;
  return counters.active === 0 ? at : `${at}, ${counters.active} connection(s) open`;
}

/**
 * The container feed, and which container this is, where a backend is found there; nothing for any other.
 *
 * @throws AppError ERR_DOCKER
 */
export async function startFeedFor(
  backends: readonly Backend[],
  engine: EngineOptions,
  logger: Logger,
  parts: PartStack,
): Promise<{ feed?: ContainerFeed; selfId?: string | undefined }> {
  if (backends.every(({ source }) => source.kind !== 'docker')) return {};
  const feed = await parts.begin(new LiveFeed({ engine: connectEngine(engine), logger }));
  return { feed, selfId: await findSelf(feed) };
}

/** The container that this is, where it is one. */
export async function findSelf(feed: ContainerFeed): Promise<string | undefined> {
  const mountinfo = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '');
  return selfContainerId({ mountinfo, hostname: hostname(), ids: feed.containers.keys() });
}

const describedCallers = 20;

/** What start-up found: the containers that name backends, a line each, and which path serves each port. */
function describeCallers(table: RouteTable, kernel: KernelPath | undefined, logger: Logger): void {
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
